import { randomUUID } from "node:crypto";
import { createJob, type JobferryError, type Queue, Worker } from "jobferry";
import { redisQueue, type RedisClient, type RedisQueueOptions } from "jobferry/redis";
import { isJobferryError } from "../../src/errors/index.ts";
import type { PushItem } from "../../src/contract/index.ts";
import { silentLogger } from "../../src/runtime/index.ts";

export { CONTEXT } from "./context.ts";

export function itemOf(id: string): PushItem {
  const bytes = Buffer.from(id);
  return {
    ...{ id, sequence: undefined, queue: "default", name: "default", priority: 0, tags: {}, delayMs: 0 },
    ...{ runAt: undefined, maxLosses: 3, createdAt: Date.now(), envelope: bytes, payload: bytes },
  };
}

/** A queue under a prefix of its own, closed when the test leaves its block. */
export function queueOn(target: string | RedisClient, options: RedisQueueOptions = {}): Queue & AsyncDisposable {
  const queue = redisQueue(target, { logger: silentLogger, prefix: `test:${randomUUID()}`, ...options });
  return Object.assign(queue, { [Symbol.asyncDispose]: () => queue.close() });
}

/** What opening fails with. */
export async function openError(target: string | RedisClient, options: RedisQueueOptions = {}): Promise<JobferryError> {
  const queue = queueOn(target, { connectTimeout: "3s", ...options });
  try {
    await queue.open();
  } catch (error) {
    if (isJobferryError(error)) return error as JobferryError;
    throw error;
  } finally {
    await queue.close();
  }
  throw new Error("it opened");
}

export async function rejection(promise: Promise<unknown>): Promise<JobferryError> {
  try {
    await promise;
  } catch (error) {
    if (isJobferryError(error)) return error as JobferryError;
    throw error;
  }
  throw new Error("it did not reject");
}

/** Pushes numbered jobs, one at a time and each again until it is confirmed; a worker counts how often each ran. */
export class Traffic {
  readonly confirmed = new Set<string>();
  readonly ran = new Map<string, number>();
  readonly #queue: Queue;
  readonly #worker: Worker;
  #pushing: Promise<void> | undefined;
  #stopped = false;

  constructor(queue: Queue) {
    this.#queue = queue;
    this.#worker = new Worker(
      queue,
      "default",
      async (job) => {
        this.ran.set(job.id, (this.ran.get(job.id) ?? 0) + 1);
      },
      { concurrency: 5, lease: "3s" },
    );
    this.#worker.on("error", () => undefined);
  }

  async start(): Promise<void> {
    await this.#worker.start();
    this.#pushing = this.#push();
  }

  async #push(): Promise<void> {
    while (!this.#stopped) {
      const job = createJob({ text: "x" });
      while (!this.#stopped) {
        try {
          await this.#queue.push(job);
          this.confirmed.add(job.id);
          break;
        } catch {
          await wait(20);
        }
      }
      await wait(2);
    }
  }

  /** Jobs so far. */
  get done(): number {
    return this.ran.size;
  }

  async stopPushing(): Promise<void> {
    this.#stopped = true;
    await this.#pushing;
  }

  /** Waits until everything confirmed ran. The ids that did not within the time. */
  async missing(withinMs: number): Promise<readonly string[]> {
    const end = performance.now() + withinMs;
    const missing = (): readonly string[] => [...this.confirmed].filter((id) => !this.ran.has(id));
    while (missing().length > 0 && performance.now() < end) await wait(50);
    return missing();
  }

  stop(): Promise<void> {
    return this.#worker.stop();
  }
}

export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** How long it took until it held. */
export async function until(holds: () => boolean | Promise<boolean>, withinMs: number): Promise<number> {
  const start = performance.now();
  while (!(await holds())) {
    if (performance.now() - start > withinMs) throw new Error(`still not so after ${withinMs} ms`);
    await wait(20);
  }
  return performance.now() - start;
}
