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
  StoredStats,
  Timer,
} from "../../contract/index.ts";
import { UnsupportedError } from "../../errors/index.ts";
import { Deferred, systemClock } from "../../runtime/index.ts";
import { LifeCycle } from "../shared/life-cycle.ts";
import { lookThenWait, NOTHING } from "../shared/reserving.ts";
import { giveBack } from "./claim-jobs.ts";
import { redisCoordinationStore } from "./coordination-store.ts";
import { classify } from "./errors.ts";
import { extendLeases, finishJobs } from "./finish-jobs.ts";
import { jobRecords } from "./job-records.ts";
import { maintainStore } from "./maintenance.ts";
import { OpenStore, shownAddress } from "./open-store.ts";
import { resolveOptions } from "./options.ts";
import type { RedisDriverOptions, Settings } from "./options.ts";
import { ABORT_GRACE_MS } from "./limits.ts";
import { pushJobs } from "./push-jobs.ts";
import type { Partition } from "./keys.ts";
import { listQueues } from "./queue-names.ts";
import { scripts } from "./script.ts";
import { clearQueues, readStats } from "./statistics.ts";
import type { RedisStore } from "./store.ts";

class RedisDriver implements Driver {
  readonly name = "redis";
  readonly records: RecordStore;
  readonly coordination: CoordinationStore;
  readonly #settings: Settings;
  readonly #life = new LifeCycle<OpenStore>("Redis driver");

  constructor(options: RedisDriverOptions) {
    this.#settings = resolveOptions(options);
    this.records = jobRecords(() => this.#life.opened.store);
    this.coordination = redisCoordinationStore(options);
  }

  async open(context: DriverContext): Promise<Capabilities> {
    const open = await this.#life.open(() => OpenStore.open(this.#settings, context));
    return open.capabilities;
  }

  close(): Promise<void> {
    return this.#life.close((open) => open?.close());
  }

  classify(error: unknown): ErrorClass {
    return classify(error, shownAddress(this.#settings));
  }

  async push(jobs: readonly PushItem[], options?: Readonly<{ transaction?: never }>): Promise<readonly PushResult[]> {
    const { store, durable } = this.#life.opened;
    if (options?.transaction !== undefined)
      throw new UnsupportedError("transactions", "Redis queues cannot push inside a transaction of yours.");
    return pushJobs(store, durable, jobs);
  }

  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    const open = this.#life.opened;
    return lookThenWait(request, {
      clock: open.store.context.clock,
      closed: this.#life.closed,
      look: (isOver) => this.#firstLook(open, request, isOver),
      wait: (first, waitMs) => open.waiting.wait(request, first, waitMs),
    });
  }

  /** Who is aborted while the server is silent is not held up by it; what it still brings goes back. */
  #firstLook(open: OpenStore, request: ReserveRequest, isOver: () => boolean): Promise<ReserveResult> {
    const { signal } = request;
    const looking = open.claim(request, isOver);
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
    const open = this.#life.opened;
    const { results, died } = await finishJobs(open.store, items, open.kept);
    if (died.length > 0) open.died.add(died);
    return results;
  }

  async extend(items: readonly ExtendItem[]): Promise<readonly ExtendResult[]> {
    return extendLeases(this.#life.opened.store, items);
  }

  async maintain(options: Readonly<{ max: number; signal?: AbortSignal | undefined }>): Promise<MaintainResult> {
    const open = this.#life.opened;
    return open.died.reportIn(await maintainStore(open.store, options));
  }

  async queues(): Promise<readonly string[]> {
    return listQueues(this.#life.opened.store);
  }

  async stats(queue?: string): Promise<StoredStats> {
    return readStats(this.#life.opened.store, queue);
  }

  async clear(queue?: string): Promise<Readonly<{ removed: number }>> {
    return clearQueues(this.#life.opened.store, queue);
  }

  async pause(queue: string): Promise<void> {
    await this.#setPaused(queue, "1");
  }

  async resume(queue: string): Promise<void> {
    await this.#setPaused(queue, "0");
  }

  async #setPaused(queue: string, paused: "0" | "1"): Promise<void> {
    const { store } = this.#life.opened;
    await Promise.all(store.partitions.map((partition) => setPaused(store, partition, queue, paused)));
  }
}

/** One whose answer never came may arrive behind a later one, and is refused then. */
async function setPaused(store: RedisStore, partition: Partition, queue: string, paused: "0" | "1"): Promise<void> {
  const { tag, route } = partition;
  for (;;) {
    const times = await store.digits(["HGET", `${tag}queue:${queue}`, "pauses"], route);
    if ((await store.call(scripts.pause, partition, [paused, times, queue])) === 1) return;
  }
}

/**
 * A driver for one Redis or Valkey server, a set behind Sentinel, or a Cluster.
 * @throws INVALID_ARGUMENT for an option that is unknown or wrong.
 */
export function redisDriver(options: RedisDriverOptions): Driver {
  return new RedisDriver(options);
}
