/**
 * Jobs on a Redis or Valkey server: alone, behind Sentinel, or on a Cluster.
 *
 * - A claim is atomic because it is one script: the server runs no other command while it promotes, recovers, takes and gives tokens.
 * - A crash of a process leaves whole script calls only: leases of the dead run out, and the next claim on the queue takes their jobs back.
 *   A crash of the server leaves what its persistence kept; a fail-over can lose the newest calls (docs/backends/redis.md).
 * - Nothing is emulated. Waiting is a BLPOP on a connection of its own, and a look every second.
 * - The layout is in scripts/prelude.ts and docs/backends/redis.md; why it is so, in docs/adr/0080 to 0086.
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
  Retention,
  StoredStats,
  Timer,
} from "../../contract/index.ts";
import { JobferryError, UnsupportedError } from "../../errors/index.ts";
import { Deferred, systemClock } from "../../runtime/index.ts";
import { giveBack, NOTHING } from "./claim-jobs.ts";
import { redisCoordinationStore } from "./coordination-store.ts";
import { classify } from "./errors.ts";
import { extendLeases, finishJobs } from "./finish-jobs.ts";
import type { Kept } from "./finish-jobs.ts";
import { jobRecords } from "./job-records.ts";
import { maintainStore } from "./maintenance.ts";
import { OpenStore, shownAddress } from "./open-store.ts";
import { resolveOptions } from "./options.ts";
import type { RedisDriverOptions, Settings } from "./options.ts";
import { ABORT_GRACE_MS } from "./limits.ts";
import { pushJobs } from "./push-jobs.ts";
import { listQueues } from "./queue-names.ts";
import { scripts } from "./script.ts";
import { clearQueues, readStats } from "./statistics.ts";

class RedisDriver implements Driver {
  readonly name = "redis";
  readonly records: RecordStore;
  readonly coordination: CoordinationStore;
  readonly #settings: Settings;
  #opening: Promise<OpenStore> | undefined;
  #opened: OpenStore | undefined;
  #closing: Promise<void> | undefined;
  #kept: Kept = { completed: false, failed: true };

  constructor(options: RedisDriverOptions) {
    this.#settings = resolveOptions(options);
    this.records = jobRecords(() => this.#open.store);
    this.coordination = redisCoordinationStore(options);
  }

  async open(context: DriverContext): Promise<Capabilities> {
    if (this.#closing !== undefined) throw closed();
    this.#opening ??= OpenStore.open(this.#settings, context);
    try {
      this.#opened = await this.#opening;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
    this.#kept = { completed: keepsAny(context.retention.completed), failed: keepsAny(context.retention.failed) };
    return this.#opened.capabilities;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const open = await this.#opening?.catch(() => undefined);
    await open?.close();
  }

  classify(error: unknown): ErrorClass {
    return classify(error, shownAddress(this.#settings));
  }

  /** @throws NOT_OPEN, CLOSED. */
  get #open(): OpenStore {
    if (this.#closing !== undefined) throw closed();
    if (this.#opened === undefined)
      throw new JobferryError("NOT_OPEN", "The Redis driver is not open. Call open() first.");
    return this.#opened;
  }

  async push(jobs: readonly PushItem[], options?: Readonly<{ transaction?: never }>): Promise<readonly PushResult[]> {
    const { store, durable } = this.#open;
    if (options?.transaction !== undefined)
      throw new UnsupportedError("transactions", "Redis queues cannot push inside a transaction of yours.");
    return pushJobs(store, durable, jobs);
  }

  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    const open = this.#open;
    const { signal, waitMs } = request;
    if (signal?.aborted || request.max <= 0) return NOTHING;
    const { clock } = open.store.context;
    const started = waitMs > 0 ? clock.monotonic() : 0;
    const result = await this.#firstLook(open, request).catch((error: unknown) => {
      // Who waits while the driver closes is told that nothing came.
      if (this.#closing !== undefined) return NOTHING;
      throw error;
    });
    if (waitMs <= 0 || result.reservations.length > 0) return result;
    return open.waiting.wait(request, result, Math.max(0, waitMs - (clock.monotonic() - started)));
  }

  /** Who is aborted while the server is silent is not held up by it; what it still brings goes back. */
  #firstLook(open: OpenStore, request: ReserveRequest): Promise<ReserveResult> {
    const { signal } = request;
    const looking = open.claim(request, () => signal?.aborted === true);
    if (signal === undefined) return looking;
    const late = new Deferred<ReserveResult>();
    let timer: Timer | undefined;
    let isLate = false;
    const onAbort = (): void => {
      timer = systemClock.timer(ABORT_GRACE_MS, () => {
        isLate = true;
        late.resolve(NOTHING);
      });
    };
    const settled = (): void => {
      signal.removeEventListener("abort", onAbort);
      timer?.cancel();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    looking.then((result) => {
      settled();
      if (isLate) giveBack(open.store, result);
    }, settled);
    return Promise.race([looking, late.promise]);
  }

  async finish(items: readonly FinishItem[]): Promise<readonly FinishResult[]> {
    const open = this.#open;
    const { results, died } = await finishJobs(open.store, items, this.#kept);
    if (died.length > 0) open.addDied(died);
    return results;
  }

  async extend(items: readonly ExtendItem[]): Promise<readonly ExtendResult[]> {
    return extendLeases(this.#open.store, items);
  }

  async maintain(options: Readonly<{ max: number; signal?: AbortSignal | undefined }>): Promise<MaintainResult> {
    const open = this.#open;
    const reported = open.takeDied();
    const result = await maintainStore(open.store, options);
    return reported.length === 0 ? result : { ...result, died: [...reported, ...result.died] };
  }

  async queues(): Promise<readonly string[]> {
    return listQueues(this.#open.store);
  }

  async stats(queue?: string): Promise<StoredStats> {
    return readStats(this.#open.store, queue);
  }

  async clear(queue?: string): Promise<Readonly<{ removed: number }>> {
    return clearQueues(this.#open.store, queue);
  }

  async pause(queue: string): Promise<void> {
    await this.#setPaused(queue, "1");
  }

  async resume(queue: string): Promise<void> {
    await this.#setPaused(queue, "0");
  }

  async #setPaused(queue: string, paused: "0" | "1"): Promise<void> {
    const { store } = this.#open;
    await Promise.all(store.partitions.map((partition) => store.call(scripts.pause, partition, [paused, queue])));
  }
}

function keepsAny({ count, ageMs }: Retention): boolean {
  return count > 0 && ageMs > 0;
}

function closed(): JobferryError {
  return new JobferryError("CLOSED", "The Redis driver is closed. Make another one.");
}

/**
 * A driver for one Redis or Valkey server, a set behind Sentinel, or a Cluster.
 * @throws INVALID_ARGUMENT for an option that is unknown or wrong.
 */
export function redisDriver(options: RedisDriverOptions): Driver {
  return new RedisDriver(options);
}
