import { type EventSink, type JobIn, type StopReason, WORKER_EVENTS, type WorkerEvents } from "./worker-events.ts";
import { Emitter, engineOf, type Engine, type Job, type Queue, type Work } from "../core/index.ts";
import { failureFrom, isJobferryError, JobferryError } from "../errors/index.ts";
import { checkOptions, parseDuration, Repetitions, type Duration } from "../runtime/index.ts";
import { InlineExecutor } from "./inline-executor.ts";
import { type Queues, queueOrder } from "./queue-order.ts";
import { runUntil } from "./run-until.ts";
import { Runner, type RunnerStatus } from "./runner.ts";
import { checkWorkerOptions, type WorkerOptions } from "./worker-options.ts";

export type StopOptions = Readonly<{
  /** How long running jobs may go on before they are aborted. Default: the worker's `stopTimeout`. */
  timeout?: Duration;
  /** Told in the event `stopped`. Default "stopped". */
  reason?: StopReason;
}>;

/** Passes a runner's events to listeners, and errors and jobs that failed for good to the log when nobody listens. */
export function sinkOf(
  engine: Engine,
  hears: (event: keyof WorkerEvents<Job>) => boolean,
  emit: <K extends keyof WorkerEvents<Job>>(
    event: K,
    value: WorkerEvents<Job>[K],
    report: (error: unknown) => void,
  ) => void,
): EventSink {
  const { logger } = engine.settings;
  const repetitions = new Repetitions(engine.clock);
  const logListener = (cause: unknown): void =>
    logger.error({ err: cause }, "A listener of the event error threw. Its own error is not told to it again.");
  const report = (cause: unknown): void => {
    const message = `A listener threw: ${failureFrom(cause).message}`;
    tellError(new JobferryError("UNEXPECTED", message, { cause }));
  };
  const tellError = (error: JobferryError): void => {
    if (hears("error")) return emit("error", { error }, logListener);
    const message = repetitions.next(error.message);
    if (message !== undefined) logger.error({ code: error.code, err: error }, message);
  };
  const logDead = ({ job, error }: WorkerEvents<Job>["dead"]): void => {
    const { id, name, queue } = job;
    const code = isJobferryError(error) ? error.code : "HANDLER_FAILED";
    const message = `Job ${id} failed for good and is in failed: ${failureFrom(error).message} (Listen to "failed" or "dead" to handle it yourself.)`;
    logger.warn({ id, name, queue, code }, message);
  };
  return {
    hears,
    tell: (event, value) => {
      if (event === "dead" && !hears("dead") && !hears("failed")) logDead(value as WorkerEvents<Job>["dead"]);
      if (event === "error") tellError((value as WorkerEvents<Job>["error"]).error);
      else emit(event, value, report);
    },
  };
}

/**
 * Takes jobs from one or several queues and runs them, `concurrency` at once, in this thread.
 * @throws INVALID_ARGUMENT naming the option.
 */
export class Worker<const W extends Work = Work> extends Emitter<WorkerEvents<JobIn<W>>> implements AsyncDisposable {
  readonly #runner: Runner;
  readonly #stopTimeoutMs: number;

  constructor(queue: Queue, queues: Queues, work: W, options: WorkerOptions<JobIn<W>> = {}) {
    super(WORKER_EVENTS);
    const settings = checkWorkerOptions(options);
    const engine = engineOf(queue);
    const { onCompleted, onFailed } = options;
    if (onCompleted !== undefined) this.on("completed", onCompleted);
    if (onFailed !== undefined) this.on("failed", onFailed);
    this.#stopTimeoutMs = settings.stopTimeoutMs;
    const sink = sinkOf(
      engine,
      (event) => this.hears(event),
      (event, value, report) => this.emit(event, value as never, report),
    );
    this.#runner = new Runner(
      engine,
      queueOrder(queues, engine.clock),
      new InlineExecutor(work),
      settings,
      settings.concurrency,
      sink,
    );
  }

  get status(): RunnerStatus {
    return this.#runner.status;
  }

  /** Resolves when the worker runs. @throws what opening the queue throws; then it may be started again. */
  start(): Promise<void> {
    return this.#runner.start();
  }

  /**
   * Takes no more jobs, hands back what was fetched ahead, waits for running jobs, then aborts them with SHUTDOWN and hands them back
   * after `abortGrace`. The queue stays open. Calling it again with a shorter `timeout` cuts the wait short.
   */
  async stop(options: StopOptions = {}): Promise<void> {
    checkOptions("stop", options, ["timeout", "reason"]);
    const timeoutMs = options.timeout === undefined ? this.#stopTimeoutMs : parseDuration(options.timeout, "timeout");
    await this.#runner.stop(timeoutMs, options.reason ?? "stopped");
  }

  /** Starts, waits for the signal or one of the worker's own limits, and stops. Resolves to the reason. */
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
