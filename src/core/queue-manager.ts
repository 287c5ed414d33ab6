import { invalidArgument, JobferryError } from "../errors/index.ts";
import { checkName, nearest } from "../runtime/index.ts";
import type { Job } from "./job.ts";
import type { NewJob } from "./new-job.ts";
import type { PushOptions } from "./push-arguments.ts";
import type { Queue, Reserve } from "./queue.ts";
import type { QueueStats } from "./queue-stats.ts";
import type { ReservedJob } from "./reserved-job.ts";

/** Named connections, one of them the default. A name here is a connection's, not that of a queue inside it. */
export class QueueManager {
  readonly #queues = new Map<string, Queue>();
  #default = "default";

  /** Registers a connection, or takes the place of one under the same name; the old one is not closed. */
  extend(name: string, queue: Queue): this {
    if (typeof queue?.push !== "function") throw invalidArgument("queue", queue, "a queue, e.g. memoryQueue()");
    this.#queues.set(checkName("name", name), queue);
    return this;
  }

  /** Its connection may be registered later. */
  setDefaultQueue(name: string): this {
    this.#default = checkName("name", name);
    return this;
  }

  has(name: string): boolean {
    return this.#queues.has(name);
  }

  /** @throws NO_DEFAULT_QUEUE, QUEUE_UNKNOWN */
  queue(name?: string): Queue {
    const queue = this.#queues.get(name ?? this.#default);
    if (queue !== undefined) return queue;
    throw name === undefined ? this.#noDefault() : this.#unknown(name);
  }

  async push(job: NewJob, options?: PushOptions): Promise<Job> {
    return this.queue().push(job, options);
  }

  /** Pushes through the connection `name`; the job keeps its own queue. @throws QUEUE_UNKNOWN */
  async pushTo(name: string, job: NewJob, options?: PushOptions): Promise<Job> {
    return this.queue(checkName("name", name)).push(job, options);
  }

  async pop(options?: Reserve): Promise<ReservedJob | undefined> {
    return this.queue().pop(options);
  }

  async getStats(queue?: string): Promise<QueueStats> {
    return this.queue().getStats(queue);
  }

  /** Closes every registered queue and forgets them. */
  async close(): Promise<void> {
    const queues = [...new Set(this.#queues.values())];
    this.#queues.clear();
    const results = await Promise.allSettled(queues.map((queue) => queue.close()));
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  #noDefault(): JobferryError {
    const why = this.#queues.size === 0 ? "no queue is registered" : `no queue is registered as "${this.#default}"`;
    return new JobferryError(
      "NO_DEFAULT_QUEUE",
      `There is no default queue: ${why}. Call init() for a memory queue, or queues.extend("${this.#default}", queue).`,
    );
  }

  #unknown(name: string): JobferryError {
    const known = [...this.#queues.keys()];
    const meant = nearest(name, known);
    const hint = meant === undefined ? "" : ` Did you mean "${meant}"?`;
    const list =
      known.length === 0 ? "None is registered; call queues.extend(name, queue)." : `Known: ${known.join(", ")}.`;
    return new JobferryError("QUEUE_UNKNOWN", `No queue is registered as "${name}".${hint} ${list}`);
  }
}
