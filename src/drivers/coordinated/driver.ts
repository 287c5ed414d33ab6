/**
 * Jobs in a store of keys, sessions and transactions (etcd, Consul, ZooKeeper, or any other CoordinationStore).
 *
 * - A claim is atomic because it is one transaction: it compares the version of every job that it takes, that the queue is as it was read (not paused), and that this
 *   process's session lives; and it moves them under this process's name. The token is the version that this gives.
 * - A crash leaves whole transactions. What a process held lies under its name; when its session has ended and its leases are over, any other takes
 *   it back and adds its counters to those of the dead.
 * - Emulated: leases of single jobs, which the holder keeps by its own clock while its session lives; delays, by the wall clock of whoever pushes and promotes; priorities and
 *   order, by the names of buckets.
 * - The layout is in keys.ts and docs/adr/0135; why it is so, in docs/adr/0135 to 0139.
 */
import type {
  Capabilities,
  CoordinationStore,
  Driver,
  DriverContext,
  ErrorClass,
  ExtendItem,
  ExtendResult,
  FinishItem,
  FinishResult,
  MaintainResult,
  PushItem,
  PushResult,
  RecordStore,
  ReserveRequest,
  ReserveResult,
  StoredStats,
} from "../../contract/index.ts";
import { UnsupportedError } from "../../errors/index.ts";
import { LifeCycle } from "../shared/life-cycle.ts";
import { lookThenWait } from "../shared/reserving.ts";
import { clearWaiting } from "./clearing.ts";
import { extendJobs, finishJobs } from "./finish-jobs.ts";
import { jobRecords } from "./job-records.ts";
import { mendBytes } from "./mended-bytes.ts";
import { OpenStore } from "./open-store.ts";
import { type CoordinatedDriverOptions, resolveOptions, type Settings } from "./options.ts";
import { prune } from "./pruning.ts";
import { pushJobs } from "./push-jobs.ts";
import { readStats } from "./statistics.ts";
import { timingFor } from "./timing.ts";

class CoordinatedDriver implements Driver {
  readonly name: string;
  readonly records: RecordStore;
  readonly coordination: CoordinationStore;
  readonly #options: CoordinatedDriverOptions;
  readonly #settings: Settings;
  readonly #store: CoordinationStore;
  readonly #life: LifeCycle<OpenStore>;

  constructor(options: CoordinatedDriverOptions) {
    this.name = options.name;
    this.#life = new LifeCycle(`${options.name} driver`);
    this.#options = options;
    this.#settings = resolveOptions(options);
    this.#store = options.connect();
    // Known before it is opened, so that what cannot work is refused at once.
    timingFor(this.#settings.ttlMs, this.#store.capabilities);
    this.coordination = options.connect();
    this.records = jobRecords(
      async () => this.#life.opened.jobs,
      () => this.#life.opened.contention.forget(),
    );
  }

  async open(context: DriverContext): Promise<Capabilities> {
    const open = await this.#life.open(() => OpenStore.open(context, this.#options, this.#settings, this.#store));
    return open.capabilities;
  }

  close(): Promise<void> {
    return this.#life.close((open) => (open === undefined ? this.#store.close() : open.close()));
  }

  classify(error: unknown): ErrorClass {
    return this.#store.classify(error instanceof Error && error.name === "Unanswered" ? error.cause : error);
  }

  async push(jobs: readonly PushItem[], options?: Readonly<{ transaction?: never }>): Promise<readonly PushResult[]> {
    const open = this.#life.opened;
    if (options?.transaction !== undefined)
      throw new UnsupportedError("transactions", `${this.name} queues cannot push inside a transaction of yours.`);
    return pushJobs(open.jobs, open.backlog, jobs);
  }

  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    const open = this.#life.opened;
    return lookThenWait(request, {
      clock: open.jobs.clock,
      closed: this.#life.closed,
      look: (isOver) => open.claim(request, isOver),
      wait: async (first, waitMs) => (first.died.length > 0 ? first : open.waiting.wait(request, first, waitMs)),
    });
  }

  async finish(items: readonly FinishItem[]): Promise<readonly FinishResult[]> {
    return finishJobs(this.#life.opened.jobs, items);
  }

  async extend(items: readonly ExtendItem[]): Promise<readonly ExtendResult[]> {
    return extendJobs(this.#life.opened.jobs, items);
  }

  async maintain({
    max,
    signal,
  }: Readonly<{ max: number; signal?: AbortSignal | undefined }>): Promise<MaintainResult> {
    const open = this.#life.opened;
    await open.lookAround();
    const { promoted, recovered } = await open.settle(max);
    const pruned = signal?.aborted === true ? 0 : await prune(open.jobs, max);
    if (signal?.aborted !== true) await mendBytes(open.jobs);
    return { promoted, recovered, pruned, died: open.died.take(), nextDueInMs: open.nextDueInMs };
  }

  async queues(): Promise<readonly string[]> {
    return (await this.#life.opened.jobs.states.all()).map(({ name }) => name);
  }

  async stats(queue?: string): Promise<StoredStats> {
    return readStats(this.#life.opened.jobs, queue);
  }

  async clear(queue?: string): Promise<Readonly<{ removed: number }>> {
    const open = this.#life.opened;
    const removed = await clearWaiting(open.jobs, queue);
    open.contention.forget();
    return { removed };
  }

  async pause(queue: string): Promise<void> {
    await this.#life.opened.jobs.states.setPaused(queue, true);
  }

  async resume(queue: string): Promise<void> {
    const open = this.#life.opened;
    await open.jobs.states.setPaused(queue, false);
    open.waiting.wakeAll();
  }
}

/**
 * A driver over any coordination store.
 * @throws INVALID_ARGUMENT for an option that is unknown or wrong.
 */
export function coordinatedDriver(options: CoordinatedDriverOptions): Driver {
  return new CoordinatedDriver(options);
}
