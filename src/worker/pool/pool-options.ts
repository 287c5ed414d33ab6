import { availableParallelism } from "node:os";
import { invalidArgument } from "../../errors/index.ts";
import { checkInteger } from "../../runtime/index.ts";
import { checkWorkerOptions, WORKER_OPTIONS, type WorkerOptions, type WorkerSettings } from "../worker-options.ts";

export type Isolation = "inline" | "threads" | "processes";

/** The worker's options hold for the pool as a whole, but `concurrency` is how many jobs each of its workers runs at once. */
export type PoolOptions = WorkerOptions &
  Readonly<{
    /** How many workers. Default: as many as the machine runs in parallel. */
    workers?: number;
    /** Options of Node.js for threads and processes. Default: those of this process. */
    execArgv?: readonly string[];
  }>;

export type PoolSettings = Readonly<{
  worker: WorkerSettings;
  workers: number;
  isolation: Isolation;
  execArgv: readonly string[] | undefined;
}>;

export const POOL_OPTIONS: readonly string[] = [...WORKER_OPTIONS, "workers", "isolation", "execArgv"];

/** @throws INVALID_ARGUMENT naming the option and its limits. */
export function checkPoolOptions(options: PoolOptions & Readonly<{ isolation?: Isolation | undefined }>): PoolSettings {
  const worker = checkWorkerOptions(options, POOL_OPTIONS);
  const { workers = availableParallelism(), isolation = "inline", execArgv } = options;
  if (!["inline", "threads", "processes"].includes(isolation))
    throw invalidArgument("isolation", isolation, '"inline", "threads" or "processes"');
  if (execArgv !== undefined) checkExecArgv(execArgv, isolation);
  return { worker, workers: checkInteger("workers", workers, 1, 1_000), isolation, execArgv };
}

function checkExecArgv(execArgv: readonly string[], isolation: Isolation): void {
  if (isolation === "inline")
    throw invalidArgument("execArgv", execArgv, 'left out with isolation "inline", which starts nothing');
  if (!Array.isArray(execArgv) || execArgv.some((one) => typeof one !== "string"))
    throw invalidArgument(
      "execArgv",
      execArgv,
      'an array of options of Node.js, for example ["--max-old-space-size=512"]',
    );
}
