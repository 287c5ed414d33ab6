import { Emitter, type Engine, engineOf, type Job, type Queue, type Work } from "../../core/index.ts";
import { invalidArgument } from "../../errors/index.ts";
import { checkOptions, parseDuration } from "../../runtime/index.ts";
import { InlineExecutor } from "../inline-executor.ts";
import { type Queues, queueOrder } from "../queue-order.ts";
import { runUntil } from "../run-until.ts";
import { Runner, type RunnerStatus } from "../runner.ts";
import { sinkOf, type StopOptions } from "../worker.ts";
import { type StopReason, WORKER_EVENTS, type WorkerEvents } from "../worker-events.ts";
import { ChildExecutor } from "./child-executor.ts";
import { checkModuleUrl } from "./load-work.ts";
import { checkPoolOptions, type PoolOptions, type PoolSettings } from "./pool-options.ts";
import { openProcess } from "./process-channel.ts";
import { openThread } from "./thread-channel.ts";

export type PoolStats = Readonly<{
  status: RunnerStatus;
  totalWorkers: number;
  /** Workers that run at least one job now. */
  activeWorkers: number;
  idleWorkers: number;
  /** Attempts that ended here, failed ones included; what was handed back is in none of them. */
  totalProcessed: number;
  totalFailed: number;
}>;

/**
 * Several workers on the same queues, inside this thread, in worker threads or in child processes. This process fetches, renews leases,
 * finishes and emits whatever the isolation, so it works with any queue; children only run the handlers of a module.
 * @throws INVALID_ARGUMENT naming the option.
 */
export class WorkerPool extends Emitter<WorkerEvents<Job>> implements AsyncDisposable {
  readonly #runner: Runner;
  readonly #settings: PoolSettings;
  readonly #activeWorkers: () => number;

  constructor(
    queue: Queue,
    queues: Queues,
    work: Work,
    options?: PoolOptions & Readonly<{ isolation?: "inline" | undefined }>,
  );
  constructor(
    queue: Queue,
    queues: Queues,
    module: URL,
    options: PoolOptions & Readonly<{ isolation: "threads" | "processes" }>,
  );
  constructor(
    queue: Queue,
    queues: Queues,
    work: Work | URL,
    options: PoolOptions & Readonly<{ isolation?: "inline" | "threads" | "processes" | undefined }> = {},
  ) {
    super(WORKER_EVENTS);
    const settings = checkPoolOptions(options);
    const engine = engineOf(queue);
    const { workers, worker } = settings;
    const slots = workers * worker.concurrency;
    const executor = settings.isolation === "inline" ? inlineExecutor(work) : childExecutor(work, settings, engine);
    const { onCompleted, onFailed } = options;
    if (onCompleted !== undefined) this.on("completed", onCompleted);
    if (onFailed !== undefined) this.on("failed", onFailed);
    const sink = sinkOf(
      engine,
      (event) => this.hears(event),
      (event, value, report) => this.emit(event, value, report),
    );
    this.#settings = settings;
    this.#runner = new Runner(engine, queueOrder(queues, engine.clock), executor, worker, slots, sink);
    this.#activeWorkers = () =>
      executor instanceof ChildExecutor ? executor.activeWorkers : Math.min(workers, this.#runner.active);
  }

  get status(): RunnerStatus {
    return this.#runner.status;
  }

  getStats(): PoolStats {
    const { status, processed, failed } = this.#runner;
    const totalWorkers = this.#settings.workers;
    const activeWorkers = this.#activeWorkers();
    return {
      status,
      totalWorkers,
      activeWorkers,
      idleWorkers: totalWorkers - activeWorkers,
      totalProcessed: processed,
      totalFailed: failed,
    };
  }

  /** Resolves when every worker runs and has loaded the handler module. @throws MODULE_INVALID with what to change; then nothing is left running. */
  start(): Promise<void> {
    return this.#runner.start();
  }

  /**
   * Takes no more jobs, hands back what was fetched ahead, waits for running jobs, then aborts them with SHUTDOWN and hands them back
   * after `abortGrace`. Resolves when every child has ended. The queue stays open. Calling it again with a shorter `timeout` cuts the wait short.
   */
  async stop(options: StopOptions = {}): Promise<void> {
    checkOptions("stop", options, ["timeout", "reason"]);
    const { stopTimeoutMs } = this.#settings.worker;
    const timeoutMs = options.timeout === undefined ? stopTimeoutMs : parseDuration(options.timeout, "timeout");
    await this.#runner.stop(timeoutMs, options.reason ?? "stopped");
  }

  /** Starts, waits for the signal or one of the pool's own limits, and stops. Resolves to the reason. */
  run(signal?: AbortSignal): Promise<StopReason> {
    return runUntil(this.#runner, signal, () => this.stop({ reason: "signal" }));
  }

  /** Takes no more jobs; running ones go on. */
  pause(): void {
    this.#runner.pause();
  }

  resume(): void {
    this.#runner.resume();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

function inlineExecutor(work: Work | URL): InlineExecutor {
  if (!(work instanceof URL)) return new InlineExecutor(work);
  throw invalidArgument("work", work, 'handlers, or await loadWork(url), with isolation "inline"');
}

function childExecutor(module: unknown, settings: PoolSettings, engine: Engine): ChildExecutor {
  return new ChildExecutor(settings.workers, {
    open: settings.isolation === "threads" ? openThread : openProcess,
    module: checkModuleUrl(module),
    execArgv: settings.execArgv,
    concurrency: settings.worker.concurrency,
    clock: engine.clock,
  });
}
