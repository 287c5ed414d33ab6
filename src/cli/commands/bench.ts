import type { Command } from "commander";
import { benchmark, type BenchResult } from "../bench/benchmark.ts";
import { withBenchQueue } from "../bench/private-queue.ts";
import type { Durability } from "../../entry/index.ts";
import type { Cli } from "../cli.ts";
import { durability, DURABILITY_HELP, integer } from "../option-values.ts";
import { table } from "../tables.ts";

type BenchOptions = Readonly<{
  jobs: number;
  payload: number;
  concurrency: number;
  samples: number;
  durability?: Durability;
}>;

const MAX_PAYLOAD = 1_000_000;

export function addBench(program: Command, cli: Cli): void {
  program
    .command("bench")
    .description("measure push and process rates and latency, in a database or queue of its own")
    .option("--jobs <count>", "jobs pushed in bulk and processed", integer(1, 10_000_000), 10_000)
    .option("--payload <bytes>", "bytes a job", integer(0, MAX_PAYLOAD), 100)
    .option("-c, --concurrency <count>", "single pushes in flight, and jobs at once", integer(1, 10_000), 10)
    .option("--samples <count>", "single jobs to take the latency from", integer(1, 100_000), 200)
    .option("--durability <level>", DURABILITY_HELP, durability)
    .action(async ({ durability: wanted, ...options }: BenchOptions, command: Command) => {
      await withBenchQueue(cli.terminal, cli.globals(command), { durability: wanted }, async (setting) => {
        cli.terminal.note(`Measuring ${options.jobs} jobs of ${options.payload} bytes on ${setting.backend} …`);
        const result = await benchmark(setting.queue, { ...options, name: setting.name });
        const { capabilities } = setting.queue;
        const environment = { backend: setting.backend, durability: capabilities.durability, node: process.version };
        cli.terminal.show({ ...environment, ...options, ...result }, () => benchText(result, environment));
      });
    });
}

function benchText(result: BenchResult, environment: Readonly<Record<string, string>>): string {
  const rate = (perSecond: number): string => `${Math.round(perSecond)} jobs/s`;
  const ms = (value: number): string => `${value.toFixed(2)} ms`;
  const { latencyMs } = result;
  const rows = [
    ["push, one by one", rate(result.singlePushPerSecond)],
    ["push, in bulk", rate(result.bulkPushPerSecond)],
    ["process", rate(result.processPerSecond)],
    ["push to handler start, p50", ms(latencyMs.p50)],
    ["push to handler start, p95", ms(latencyMs.p95)],
    ["push to handler start, p99", ms(latencyMs.p99)],
    ...Object.entries(environment),
  ];
  return table([{ head: "MEASURED" }, { head: "", align: "right" }], rows);
}
