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
import { JobferryError, UnsupportedError } from "../../errors/index.ts";
import { clearWaiting } from "./clearing.ts";
import { extendJobs, finishJobs } from "./finish-jobs.ts";
import { jobRecords } from "./job-records.ts";
import { OpenStore } from "./open-store.ts";
import { type CoordinatedDriverOptions, resolveOptions, type Settings } from "./options.ts";
import { prune } from "./pruning.ts";
import { pushJobs } from "./push-jobs.ts";
import { readStats } from "./statistics.ts";
import { timingFor } from "./timing.ts";

const NOTHING: ReserveResult = { reservations: [], died: [], nextDueInMs: undefined };

class CoordinatedDriver implements Driver {
  readonly name: string;
  readonly records: RecordStore;
  readonly coordination: CoordinationStore;
  readonly #options: CoordinatedDriverOptions;
  readonly #settings: Settings;
  readonly #store: CoordinationStore;
  #opening: Promise<OpenStore> | undefined;
  #opened: OpenStore | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: CoordinatedDriverOptions) {
    this.name = options.name;
    this.#options = options;
    this.#settings = resolveOptions(options);
    this.#store = options.connect();
    // Known before it is opened, so that what cannot work is refused at once.
    timingFor(this.#settings.ttlMs, this.#store.capabilities);
    this.coordination = options.connect();
    this.records = jobRecords(
      async () => this.#open.jobs,
      () => this.#open.contention.forget(),
    );
  }

  async open(context: DriverContext): Promise<Capabilities> {
    if (this.#closing !== undefined) throw closed();
    this.#opening ??= OpenStore.open(context, this.#options, this.#settings, this.#store);
    try {
      this.#opened = await this.#opening;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
    return this.#opened.capabilities;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const open = await this.#opening?.catch(() => undefined);
    if (open === undefined) await this.#store.close();
    else await open.close();
  }

  classify(error: unknown): ErrorClass {
    return this.#store.classify(error instanceof Error && error.name === "Unanswered" ? error.cause : error);
  }

  /** @throws NOT_OPEN, CLOSED. */
  get #open(): OpenStore {
    if (this.#closing !== undefined) throw closed();
    if (this.#opened === undefined) throw new JobferryError("NOT_OPEN", "The driver is not open. Call open() first.");
    return this.#opened;
  }

  async push(jobs: readonly PushItem[], options?: Readonly<{ transaction?: never }>): Promise<readonly PushResult[]> {
    const open = this.#open;
    if (options?.transaction !== undefined)
      throw new UnsupportedError("transactions", `${this.name} queues cannot push inside a transaction of yours.`);
    return pushJobs(open.jobs, open.backlog, jobs);
  }

  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    const open = this.#open;
    const { signal, waitMs } = request;
    if (signal?.aborted || request.max <= 0) return NOTHING;
    const { clock } = open.jobs;
    const started = clock.monotonic();
    const isOver = (): boolean => signal?.aborted === true || this.#closing !== undefined;
    const result = await open.claim(request, isOver).catch((error: unknown) => {
      // Who waits while the driver closes is told that nothing came.
      if (this.#closing !== undefined) return NOTHING;
      throw error;
    });
    if (waitMs <= 0 || result.reservations.length > 0 || result.died.length > 0) return result;
    return open.waiting.wait(request, result, Math.max(0, waitMs - (clock.monotonic() - started)));
  }

  async finish(items: readonly FinishItem[]): Promise<readonly FinishResult[]> {
    return finishJobs(this.#open.jobs, items);
  }

  async extend(items: readonly ExtendItem[]): Promise<readonly ExtendResult[]> {
    return extendJobs(this.#open.jobs, items);
  }

  async maintain({
    max,
    signal,
  }: Readonly<{ max: number; signal?: AbortSignal | undefined }>): Promise<MaintainResult> {
    const open = this.#open;
    await open.lookAround();
    const { promoted, recovered } = await open.settle(max);
    const pruned = signal?.aborted === true ? 0 : await prune(open.jobs, max);
    return { promoted, recovered, pruned, died: open.takeDied(), nextDueInMs: open.nextDueInMs };
  }

  async queues(): Promise<readonly string[]> {
    return (await this.#open.jobs.states.all()).map(({ name }) => name);
  }

  async stats(queue?: string): Promise<StoredStats> {
    return readStats(this.#open.jobs, queue);
  }

  async clear(queue?: string): Promise<Readonly<{ removed: number }>> {
    const open = this.#open;
    const removed = await clearWaiting(open.jobs, queue);
    open.contention.forget();
    return { removed };
  }

  async pause(queue: string): Promise<void> {
    await this.#open.jobs.states.setPaused(queue, true);
  }

  async resume(queue: string): Promise<void> {
    const open = this.#open;
    await open.jobs.states.setPaused(queue, false);
    open.waiting.wakeAll();
  }
}

function closed(): JobferryError {
  return new JobferryError("CLOSED", "This queue is closed. Make another one.");
}

/**
 * A driver over any coordination store.
 * @throws INVALID_ARGUMENT for an option that is unknown or wrong.
 */
export function coordinatedDriver(options: CoordinatedDriverOptions): Driver {
  return new CoordinatedDriver(options);
}
