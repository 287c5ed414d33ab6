import type { Command } from "commander";
import { JobferryError, type Queue } from "../../entry/index.ts";
import type { Cli } from "../cli.ts";
import { duration, integer } from "../option-values.ts";
import { table } from "../tables.ts";
import { rfc3339, shortLength } from "../times.ts";
import { ratesBetween, type Sample } from "../top/rates.ts";
import { Screen } from "../top/screen.ts";
import { statsByQueue, statsJson } from "./stats.ts";

type TopOptions = Readonly<{ interval: number; count?: number }>;
type Frames = (sample: Sample, before: Sample | undefined) => void;

export function addTop(program: Command, cli: Cli): void {
  program
    .command("top")
    .description("queues and their rates, live; with --json one line each interval")
    .option("--interval <duration>", "how often to look", duration(100), 1_000)
    .option("--count <count>", "end after so many looks", integer(1))
    .action(async (options: TopOptions, command: Command) => {
      const { terminal } = cli;
      if (!terminal.json && (terminal.stdout.isTTY !== true || terminal.stdin.isTTY !== true)) {
        throw new JobferryError("INVALID_ARGUMENT", "top needs a terminal. Use --json here, or jobferry stats.");
      }
      await cli.withQueue(command, {}, async ({ queue }) => {
        const end = new AbortController();
        const onSignal = (): void => end.abort();
        for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, onSignal);
        const screen = terminal.json ? undefined : new Screen(terminal, onSignal);
        const show: Frames = (sample, before) => {
          if (screen === undefined) terminal.show(frameJson(sample, before), () => "");
          else screen.show(frameText(sample, before));
        };
        try {
          await watch(queue, options, end.signal, show);
        } finally {
          screen?.close();
          for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, onSignal);
        }
      });
    });
}

async function watch(
  queue: Queue,
  { interval, count = Infinity }: TopOptions,
  end: AbortSignal,
  show: Frames,
): Promise<void> {
  let before: Sample | undefined;
  for (let looks = 1; !end.aborted; looks += 1) {
    const sample = { atMs: performance.now(), queues: await statsByQueue(queue) };
    show(sample, before);
    before = sample;
    if (looks >= count) return;
    await pause(interval, end);
  }
}

function pause(ms: number, end: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      end.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    end.addEventListener("abort", done);
    if (end.aborted) done();
  });
}

function frameJson(sample: Sample, before: Sample | undefined): unknown {
  const rates = ratesBetween(before, sample);
  const now = Date.now();
  const queues = sample.queues.map(({ queue, stats }) => ({ queue, ...statsJson(stats, now), ...rates.get(queue) }));
  return { at: rfc3339(now), queues };
}

function frameText(sample: Sample, before: Sample | undefined): string {
  const rates = ratesBetween(before, sample);
  const now = Date.now();
  const heads = ["PENDING", "DELAYED", "RESERVED", "FAILED", "COMPLETED", "DONE/s", "FAILED/s", "OLDEST"];
  const columns = [{ head: "QUEUE" }, { head: "STATE" }, ...heads.map((head) => ({ head, align: "right" as const }))];
  const rows = sample.queues.map(({ queue, stats }) => {
    const { completedPerSecond, failedPerSecond } = rates.get(queue) ?? {};
    const counts = [stats.pendingJobs, stats.delayedJobs, stats.reservedJobs, stats.failedJobs, stats.completedJobs];
    return [
      ...[queue, stats.paused ? "paused" : "active", ...counts.map(numberText)],
      ...[rateText(completedPerSecond), rateText(failedPerSecond)],
      stats.oldestPendingAt === undefined ? "-" : shortLength(now - stats.oldestPendingAt),
    ];
  });
  return table(columns, rows);
}

function numberText(count: number | undefined): string {
  return String(count ?? "?");
}

function rateText(rate: number | undefined): string {
  return rate === undefined || Number.isNaN(rate) ? "-" : rate.toFixed(rate < 10 ? 1 : 0);
}
