import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type Command, Option } from "commander";
import {
  type Durability,
  JobferryError,
  type Keep,
  loadWork,
  type Queue,
  type Queues,
  type StopReason,
  type Work,
  Worker,
  type WorkerOptions,
  WorkerPool,
} from "../../entry/index.ts";
import type { Cli } from "../cli.ts";
import { EXIT } from "../exit-codes.ts";
import { durability, DURABILITY_HELP, duration, integer, keep, texts } from "../option-values.ts";
import { queueChoice } from "../work/queue-choice.ts";
import { tellWhatIsLeft } from "../work/what-is-left.ts";
import { StopSignals } from "../work/stop-signals.ts";
import { WorkLog } from "../work/work-log.ts";

type Isolation = "inline" | "threads" | "processes";

type WorkOptions = Readonly<{
  handlers: string;
  queue?: readonly string[];
  concurrency: number;
  workers?: number;
  isolation: Isolation;
  attempts?: number;
  timeout?: number;
  lease?: number;
  maxJobs?: number;
  maxTime?: number;
  memory?: number;
  stopWhenEmpty?: boolean;
  stopTimeout: number;
  keepCompleted?: Keep;
  keepFailed?: Keep;
  durability?: Durability;
  verbose?: boolean;
}>;

const MEBIBYTE = 1024 * 1024;

const HELP = `
Handlers: the module's default export is a function (job, context) => result, or an array of routes
(defineJob({ name }).handle(function)). Returning completes a job, throwing is a failed attempt.
  // handlers.ts
  export default async (job) => console.log(job.name, job.payload);
A whole example: docs/guides/cli.md, Handlers, in the package.

Signals: SIGTERM and SIGINT (Ctrl-C) drain, a second one aborts running jobs, a third exits. SIGQUIT hands running jobs
back now. SIGTSTP stops fetching, SIGCONT goes on. SIGUSR2 drains. Windows has only Ctrl-C and Ctrl-Break.

Exit codes: 0 stopped, 7 drain deadline passed (running jobs went back to the queue), 12 memory limit, 2 usage, 3 backend.
`;

export function addWork(program: Command, cli: Cli): void {
  const command = program
    .command("work")
    .description("run jobs with the handlers of a module")
    .addHelpText("after", HELP);
  command
    .requiredOption("--handlers <file>", "module whose default export is a handler or an array of routes; .ts too")
    .option("--queue <queues>", "high:3,default:1 by weight, or high,default in strict order (default: default)", texts)
    .option("-c, --concurrency <count>", "jobs at once, in each worker", integer(1, 100_000), 1)
    .option(
      "--workers <count>",
      "how many workers (default: 1; with threads or processes one a core)",
      integer(1, 1_000),
    )
    .addOption(
      new Option("--isolation <kind>", "where handlers run")
        .choices(["inline", "threads", "processes"])
        .default("inline"),
    )
    .option(
      "--max-attempts, --attempts <count>",
      "failed attempts before a job that names none goes to failed",
      integer(1, 1_000_000),
    )
    .option("--timeout <duration>", "how long one attempt may run", duration(1))
    .option("--lease <duration>", "the visibility timeout; renewed while a handler runs", duration(1))
    .option("--max-jobs <count>", "stop after so many jobs", integer(1))
    .option("--max-time <duration>", "stop after so long", duration(1))
    .option("--memory <megabytes>", "stop with exit code 12 when the process uses more", integer(1, 1_048_576))
    .option("--stop-when-empty", "stop when nothing is pending")
    .addOption(
      new Option("--stop-timeout <duration>", "how long a stop waits for running jobs")
        .argParser(duration())
        .default(25_000, "25s"),
    )
    .option(
      "--keep-completed <count|age|all>",
      "keep completed jobs and their results (default: none); a count or an age prunes the whole store, so give all workers the same",
      keep,
    )
    .option(
      "--keep-failed <count|age|none>",
      "which failed jobs stay (default: all); give all workers of a store the same",
      keep,
    )
    .option("--durability <level>", DURABILITY_HELP, durability)
    .option("-v, --verbose", "a line for each completed job too");
  command.action((options: WorkOptions, self: Command) => work(cli, self, options));
}

async function work(cli: Cli, command: Command, options: WorkOptions): Promise<void> {
  const queues = queueChoice(options.queue ?? ["default"]);
  const url = handlersUrl(options.handlers);
  // Isolated workers load it themselves: its top-level code must not run here as well.
  const handlers = options.isolation === "inline" ? await loadWork(url) : undefined;
  const { keepCompleted = false, keepFailed = true, durability: wanted } = options;
  await cli.withQueue(command, { make: true, durability: wanted, keepCompleted, keepFailed }, async ({ queue }) => {
    const log = new WorkLog(cli.terminal, {
      verbose: options.verbose === true,
      records: queue.capabilities.records !== false,
    });
    const worker =
      handlers === undefined ? isolated(queue, queues, url, options) : inline(queue, queues, handlers, options);
    log.listen((event, listener) => worker.on(event, listener));
    const reason = await run(cli, worker, log, queues);
    if (reason !== "paused" && reason !== "empty") return;
    // The work is done, whatever this finds.
    await tellWhatIsLeft(cli.terminal, queue, queues).catch(({ message }: Error) =>
      cli.terminal.warn(`What is left in the queue could not be read: ${message}`),
    );
  });
}

function inline(queue: Queue, queues: Queues, handlers: Work, options: WorkOptions): Worker | WorkerPool {
  const { workers } = options;
  if (workers === undefined) return new Worker(queue, queues, handlers, workerOptions(options));
  return new WorkerPool(queue, queues, handlers, { ...workerOptions(options), workers });
}

function isolated(queue: Queue, queues: Queues, url: URL, options: WorkOptions): WorkerPool {
  const { workers, isolation } = options;
  return new WorkerPool(queue, queues, url, {
    ...workerOptions(options),
    ...(workers === undefined ? {} : { workers }),
    isolation: isolation === "threads" ? "threads" : "processes",
  });
}

/** @throws INVALID_ARGUMENT */
function handlersUrl(given: string): URL {
  if (!/^[a-z][a-z0-9+.-]+:/i.test(given)) return pathToFileURL(resolve(given));
  if (given.startsWith("file:") && URL.canParse(given)) return new URL(given);
  throw new JobferryError("INVALID_ARGUMENT", "--handlers must be the path of a file, or a file: URL.");
}

async function run(cli: Cli, worker: Worker | WorkerPool, log: WorkLog, queues: Queues): Promise<StopReason> {
  const { terminal } = cli;
  let handedBack = 0;
  worker.on("stopped", (event) => (handedBack = event.handedBack));
  const signals = new StopSignals(terminal, worker);
  try {
    terminal.note(`Working on ${shownQueues(queues)}; Ctrl-C stops.`);
    const reason = await worker.run();
    const late = handedBack > 0 ? EXIT.handedBack : EXIT.ok;
    cli.exitCode = signals.forced ?? (reason === "maxMemory" ? EXIT.memory : late);
    const { completed, failedAttempts, dead, lost } = log.counts;
    terminal.show({ reason, ...log.counts, handedBack }, () => {
      const more = lost > 0 ? `, ${lost} leases lost` : "";
      return `Stopped (${reason}): ${completed} completed, ${failedAttempts} failed attempts, ${dead} dead, ${handedBack} handed back${more}`;
    });
    return reason;
  } finally {
    signals.off();
  }
}

function workerOptions(options: WorkOptions): WorkerOptions {
  const { concurrency, attempts, timeout, lease, maxJobs, maxTime, memory, stopWhenEmpty, stopTimeout } = options;
  return {
    concurrency,
    stopTimeout,
    ...(attempts === undefined ? {} : { maxAttempts: attempts }),
    ...(timeout === undefined ? {} : { timeout }),
    ...(lease === undefined ? {} : { lease }),
    ...(maxJobs === undefined ? {} : { maxJobs }),
    ...(maxTime === undefined ? {} : { maxTime }),
    ...(memory === undefined ? {} : { maxMemory: memory * MEBIBYTE }),
    ...(stopWhenEmpty === undefined ? {} : { stopWhenEmpty }),
  };
}

function shownQueues(queues: Queues): string {
  if (typeof queues === "string") return queues;
  if (Array.isArray(queues)) return queues.join(", then ");
  return Object.entries(queues)
    .map(([name, weight]) => `${name} (weight ${weight})`)
    .join(", ");
}
