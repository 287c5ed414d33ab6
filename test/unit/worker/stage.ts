import { createJob, type JobOptions, Queue, type QueueOptions, Worker, type WorkerOptions } from "jobferry";
import { type VirtualClock, virtualClock } from "jobferry/testing";
import type { Capabilities, MaintainResult, StoredStats } from "../../../src/contract/index.ts";
import type { Handler, Work } from "../../../src/core/index.ts";
import type { Queues } from "../../../src/worker/index.ts";
import { FakeDriver } from "../core/fake-driver.ts";
import { type Line, recordingLogger } from "../core/stage.ts";

type Partly<T> = { readonly [K in keyof T]?: T[K] extends object ? Partial<T[K]> : T[K] };

/** Also lets a test come between a worker and what it asks beside jobs. */
export class WorkerDriver extends FakeDriver {
  onMaintain: (() => Promise<MaintainResult>) | undefined;
  onStats: ((real: () => Promise<StoredStats>) => Promise<StoredStats>) | undefined;

  override maintain(options: Readonly<{ max: number }>): Promise<MaintainResult> {
    return this.onMaintain?.() ?? super.maintain(options);
  }

  override stats(queue?: string): Promise<StoredStats> {
    const real = (): Promise<StoredStats> => super.stats(queue);
    return this.onStats?.(real) ?? real();
  }
}

export type Stage = Readonly<{
  driver: WorkerDriver;
  queue: Queue<string>;
  clock: VirtualClock;
  lines: Line[];
  /** What listeners heard, in order: event, job id, what is special to it. */
  heard: string[];
  /** A worker on the default queue whose events go to `heard`. */
  worker: (work: Work, options?: WorkerOptions, queues?: Queues) => Worker<Work>;
  push: (id: string, options?: JobOptions) => Promise<unknown>;
  /** Stops, lets the time pass that takes, and closes: nothing may be armed afterwards. */
  end: (worker: Worker<Work>) => Promise<void>;
}>;

export function stage(capabilities: Partly<Capabilities> = {}, options: QueueOptions = {}): Stage {
  const driver = new WorkerDriver(capabilities);
  const clock = virtualClock();
  const { logger, lines } = recordingLogger();
  const queue = new Queue<string>(driver, { clock, logger, ...options });
  const heard: string[] = [];
  return {
    ...{ driver, queue, clock, lines, heard },
    worker: (work, workerOptions = {}, queues = "default") =>
      listened(new Worker<Work>(queue as unknown as Queue, queues, work, workerOptions), heard),
    push: (id, jobOptions) => queue.push(createJob(id, { ...jobOptions, id })),
    end: async (worker) => {
      await during(clock, worker.stop({ timeout: 0 }));
      await during(clock, queue.close());
    },
  };
}

function listened(worker: Worker<Work>, heard: string[]): Worker<Work> {
  const note = (...parts: readonly unknown[]): void => void heard.push(parts.join(" "));
  worker.on("completed", ({ job, result }) => note("completed", job.id, String(result)));
  worker.on("failed", ({ job, error, willRetry }) => note("failed", job.id, codeOrMessage(error), willRetry));
  worker.on("dead", ({ job, error }) => note("dead", job.id, codeOrMessage(error)));
  for (const event of ["lost", "stuck", "unknown"] as const) worker.on(event, ({ job }) => note(event, job.id));
  worker.on("error", ({ error }) => note("error", error.code));
  worker.on("stopped", ({ reason, handedBack }) => note("stopped", reason, handedBack));
  return worker;
}

function codeOrMessage(error: Error): string {
  return "code" in error ? String(error.code) : error.message;
}

/** Lets time pass until `promise` settles. Fails after a virtual hour: whatever it waits for does not come. */
export async function during<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  let settled = false;
  const done = promise.finally(() => (settled = true));
  done.catch(() => undefined); // awaited below
  await clock.advance(0);
  for (let n = 0; !settled; n += 1) {
    if (n > 36_000) throw new Error("nothing happened for an hour of virtual time");
    await clock.advance(100);
  }
  return done;
}

/** A handler that ends when the test says so. */
export class Held {
  readonly #waiting = new Map<string, (how: () => unknown) => void>();
  /** Ids in the order in which they started. */
  readonly started: string[] = [];
  /** Reasons of signals, by id. */
  readonly aborted = new Map<string, string>();

  readonly handler: Handler<unknown, unknown> = (job, { signal }) => {
    this.started.push(job.id);
    signal.addEventListener("abort", () => this.aborted.set(job.id, (signal.reason as { code: string }).code));
    return new Promise((resolve, reject) => {
      this.#waiting.set(job.id, (how) => {
        try {
          resolve(how());
        } catch (error) {
          reject(error as Error);
        }
      });
    });
  };

  get running(): number {
    return this.#waiting.size;
  }

  end(id: string, how: () => unknown = () => "done"): void {
    this.#waiting.get(id)?.(how);
    this.#waiting.delete(id);
  }
}
