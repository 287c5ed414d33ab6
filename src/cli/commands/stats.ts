import type { Command } from "commander";
import { JobferryError, type Queue, type QueueStats } from "../../entry/index.ts";
import type { Cli } from "../cli.ts";
import { CliError } from "../cli-error.ts";
import { EXIT } from "../exit-codes.ts";
import { usersQueues } from "../own-queues.ts";
import { totalOf } from "../stats-total.ts";
import { table } from "../tables.ts";
import { rfc3339, shortLength } from "../times.ts";

export type NamedStats = Readonly<{ queue: string; stats: QueueStats }>;

export function addStats(program: Command, cli: Cli): void {
  program
    .command("stats")
    .argument("[queue]", "only this queue")
    .option("--queue <name>", "the same")
    .description("how many jobs are in each state, by queue")
    .action(async (named: string | undefined, options: Readonly<{ queue?: string }>, command: Command) => {
      const name = oneOf(named, options.queue);
      await cli.withQueue(command, {}, async ({ queue }) => {
        const queues = await statsByQueue(queue, name);
        const total = totalOf(queues.map(({ stats }) => stats));
        const now = Date.now();
        const data = {
          total: statsJson(total, now),
          queues: queues.map(({ queue: of, stats }) => ({ queue: of, ...statsJson(stats, now) })),
        };
        cli.terminal.show(data, () => statsTable(queues, total, now));
      });
    });
}

function oneOf(named: string | undefined, option: string | undefined): string | undefined {
  if (named !== undefined && option !== undefined && named !== option)
    throw new JobferryError("INVALID_ARGUMENT", "stats shows one queue or all: name it once, with or without --queue.");
  return named ?? option;
}

/** @throws CliError NOT_FOUND for a name that no queue has. */
export async function statsByQueue(queue: Queue, only?: string): Promise<readonly NamedStats[]> {
  if (only !== undefined) await checkQueue(queue, only);
  const shown = only === undefined ? (await usersQueues(queue)).toSorted() : [only];
  const found: NamedStats[] = [];
  for (const name of shown) found.push({ queue: name, stats: await queue.getStats(name) });
  return found;
}

/** @throws CliError NOT_FOUND for a name that no queue has. */
export async function checkQueue(queue: Queue, name: string): Promise<void> {
  const names = await queue.queues();
  if (names.includes(name)) return;
  const known = await usersQueues(queue);
  const list = known.length === 0 ? "There are none yet." : `Known: ${known.slice(0, 20).join(", ")}.`;
  throw new CliError("NOT_FOUND", EXIT.notFound, `There is no queue "${name}". ${list}`);
}

export function statsJson(stats: QueueStats, now: number): Readonly<Record<string, unknown>> {
  const { oldestPendingAt, ...rest } = stats;
  // JSON would leave out what is undefined: a number that the backend cannot tell is null.
  const counts = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, value ?? null]));
  const age = oldestPendingAt === undefined ? null : Math.max(0, Math.round(now - oldestPendingAt));
  return { ...counts, oldestPendingAt: rfc3339(oldestPendingAt), oldestPendingAgeMs: age };
}

function statsTable(queues: readonly NamedStats[], total: QueueStats, now: number): string {
  const right = (head: string): Readonly<{ head: string; align: "right" }> => ({ head, align: "right" });
  const columns = [
    { head: "QUEUE" },
    { head: "STATE" },
    ...["PENDING", "DELAYED", "RESERVED", "FAILED", "COMPLETED", "OLDEST"].map(right),
  ];
  const rows = queues.map(({ queue, stats }) => statsRow(queue, stats, now));
  return table(columns, queues.length === 1 ? rows : [...rows, statsRow("total", total, now)]);
}

function statsRow(name: string, stats: QueueStats, now: number): readonly string[] {
  const { pendingJobs, delayedJobs, reservedJobs, failedJobs, completedJobs, oldestPendingAt } = stats;
  const counts = [pendingJobs, delayedJobs, reservedJobs, failedJobs, completedJobs];
  return [
    ...[name, stats.paused ? "paused" : "active"],
    ...counts.map((count) => String(count ?? "?")),
    oldestPendingAt === undefined ? "-" : shortLength(now - oldestPendingAt),
  ];
}
