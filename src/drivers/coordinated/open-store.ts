import type {
  Capabilities,
  CoordinationStore,
  DriverContext,
  Durability,
  ReserveRequest,
  ReserveResult,
  StoredJob,
} from "../../contract/index.ts";
import { DiedJobs } from "../shared/died-jobs.ts";
import { closedError } from "../shared/life-cycle.ts";
import { SessionTimeRefused } from "../shared/session-time-refused.ts";
import { keptUnder } from "../shared/retention.ts";
import { Backlog } from "./backlog.ts";
import { coordinatedCapabilities } from "./capabilities.ts";
import { claimFrom } from "./claim-jobs.ts";
import { Contention } from "./contention.ts";
import { Delays } from "./delays.ts";
import type { JobStore } from "./job-store.ts";
import { Keys } from "./keys.ts";
import { LearntRoom } from "./learnt-room.ts";
import { Life } from "./life.ts";
import { roomIn } from "./limits.ts";
import type { CoordinatedDriverOptions, Settings } from "./options.ts";
import { Owners } from "./owners.ts";
import { promoteDue } from "./promotion.ts";
import { QueueStates } from "./queue-states.ts";
import { Shelves } from "./shelves.ts";
import { waiting } from "./statistics.ts";
import { StuckJobs } from "./stuck-jobs.ts";
import { takeBackOthers, takeBackOwn } from "./take-back.ts";
import { timingFor } from "./timing.ts";
import { Turns } from "./turns.ts";
import { WaitingReserves } from "./waiting-reserves.ts";
import { follow } from "./watching.ts";

/** What one reserve promotes and takes back before it claims. */
const DUE_AT_ONCE = 1_000;
/** Of the first job's lease, for further claims of the same call. */
const MOST_OF_LEASE = 0.1;
/** After a failure to take back what ran out. */
const AGAIN_MS = 500;

/** An open driver: the store, its watches, this process's life in it, and who waits. */
export class OpenStore {
  readonly jobs: JobStore;
  readonly backlog: Backlog;
  readonly contention: Contention;
  readonly capabilities: Capabilities;
  readonly waiting: WaitingReserves;
  readonly died: DiedJobs = new DiedJobs();
  readonly #name: string;
  readonly #closing = new AbortController();
  /** Claims of one process would only be in each other's way. */
  readonly #claims = new Turns(1);
  readonly #dueTurns = new Turns(1);
  #life: Promise<Life> | undefined;
  #lived: Life | undefined;
  #othersInMs = Infinity;
  #othersAt = -Infinity;
  /** Deaths when it was looked at last. */
  #othersSeen = 0;
  #watches: readonly Promise<void>[] = [];

  private constructor(
    { clock, logger, retention }: DriverContext,
    options: CoordinatedDriverOptions,
    { ttlMs, backlog }: Settings,
    store: CoordinationStore,
    durability: Durability,
  ) {
    this.#name = options.name;
    const keys = new Keys();
    const timing = timingFor(ttlMs, store.capabilities);
    this.capabilities = coordinatedCapabilities(store.capabilities, durability, timing, backlog);
    this.contention = new Contention(clock, () => this.jobs.owners.rankOf(this.#lived?.owner));
    const room = new LearntRoom(clock, roomIn(store.capabilities));
    this.jobs = {
      ...{ store, keys, clock, timing, retention, room },
      keeps: keptUnder(retention),
      stuck: new StuckJobs({ clock, logger }),
      shelves: new Shelves(store, keys, clock, room),
      states: new QueueStates(store, keys),
      owners: new Owners(store, keys, clock),
      delays: new Delays(clock),
      life: () => this.#alive(),
      current: () => (this.#lived?.isOver === false ? this.#lived : undefined),
      died: (jobs) => this.#addDied(jobs),
      woke: (queue, number) => this.waiting.wake(queue, number),
    };
    this.backlog = new Backlog(clock, backlog, () => waiting(this.jobs));
    this.waiting = new WaitingReserves(this.jobs, (request, isOver) => this.claim(request, isOver));
  }

  static async open(
    context: DriverContext,
    options: CoordinatedDriverOptions,
    settings: Settings,
    store: CoordinationStore,
  ): Promise<OpenStore> {
    await store.open({ clock: context.clock });
    const durability = (await store.durability?.()) ?? "unknown";
    const begun = async (chosen: Settings): Promise<OpenStore> => {
      const open = new OpenStore(context, options, chosen, store, durability);
      await open.#alive();
      open.#watch();
      // Watches tell later: the first claim, which may be the only one, must know what is due. What this fails to find they do.
      await open.lookAround().catch(() => undefined);
      return open;
    };
    try {
      return await begun(settings);
    } catch (error) {
      if (settings.ttlMs !== undefined || !(error instanceof SessionTimeRefused)) throw error;
      // Nobody asked for the default: the servers' bound does.
      return begun({ ...settings, ttlMs: error.nearestMs });
    }
  }

  #watch(): void {
    const { store, clock, keys, owners, states, delays } = this.jobs;
    const { signal } = this.#closing;
    this.#watches = [
      follow(store, clock, keys.living, signal, (event) => {
        owners.saw(event);
        if (owners.dead.length > 0) this.waiting.lookSoon();
      }),
      follow(store, clock, keys.queues, signal, (event) => {
        states.saw(event);
        this.waiting.wakeAll();
      }),
      follow(store, clock, keys.markers("d"), signal, (event) => {
        delays.saw(event);
        this.waiting.lookWithin(delays.nextInMs);
      }),
    ];
  }

  /** @throws what the store throws while it cannot be reached. */
  async #alive(): Promise<Life> {
    if (this.#closing.signal.aborted) throw closedError(`${this.#name} driver`);
    if (this.#lived?.isOver === true) [this.#life, this.#lived] = [undefined, undefined];
    const { store, keys, clock, timing, shelves } = this.jobs;
    this.#life ??= Life.begin(store, keys, clock, timing, () => this.#ranOut());
    const beginning = this.#life;
    try {
      const life = await beginning;
      if (this.#lived !== life && this.#life === beginning) {
        this.#lived = life;
        shelves.begin(life.owner);
      }
      return life;
    } catch (error) {
      if (this.#life === beginning) this.#life = undefined;
      throw error;
    }
  }

  /** A lease of this process ran out: taken back without anybody asking. */
  #ranOut(): void {
    const life = this.jobs.current();
    if (life === undefined || this.#closing.signal.aborted) return;
    this.#dueTurns
      .run(() => takeBackOwn(this.jobs, life, DUE_AT_ONCE))
      .then(
        () => life.held.rearm(life.held.hasUnsettled ? AGAIN_MS : 1),
        () => life.held.rearm(AGAIN_MS),
      );
  }

  /** Everything that is due, as far as this process knows, without a request when it knows of nothing. The number of each. */
  settle(max: number = DUE_AT_ONCE): Promise<Readonly<{ promoted: number; recovered: number }>> {
    return this.#dueTurns.run(async () => {
      const life = await this.#alive();
      const own = life.held.nextLookInMs <= 0 || !life.strays.isEmpty ? await takeBackOwn(this.jobs, life, max) : 0;
      const promoted = await promoteDue(this.jobs, max);
      return { promoted, recovered: own + (await this.#others(life, max - own)) };
    });
  }

  async #others(life: Life, max: number): Promise<number> {
    const { owners, clock } = this.jobs;
    if (owners.dead.length === 0) this.#othersInMs = Infinity;
    if (owners.dead.length === 0 || max <= 0) return 0;
    // What they hold is listed when it can be taken, and not at every claim until then.
    const isEarly = clock.monotonic() < this.#othersAt + this.#othersInMs;
    if (isEarly && owners.deaths === this.#othersSeen) return 0;
    const { deaths } = owners;
    const { recovered, nextInMs } = await takeBackOthers(this.jobs, life, max);
    // Only now: a look that failed was none.
    this.#othersSeen = deaths;
    [this.#othersInMs, this.#othersAt] = [nextInMs, clock.monotonic()];
    return recovered;
  }

  /** Finds what no watch told: at every maintenance. */
  async lookAround(): Promise<void> {
    const { owners, shelves, delays } = this.jobs;
    await owners.list();
    const before = delays.versions;
    delays.listed(await shelves.markers("d"), before);
  }

  get nextDueInMs(): number | undefined {
    const { delays, clock } = this.jobs;
    const own = this.jobs.current()?.held.nextEndInMs ?? Infinity;
    const others = this.#othersInMs + this.#othersAt - clock.monotonic();
    const next = Math.min(own, delays.nextInMs, Number.isNaN(others) ? Infinity : others);
    return next === Infinity ? undefined : Math.max(0, next);
  }

  async claim(request: ReserveRequest, isOver: () => boolean): Promise<ReserveResult> {
    const { clock } = this.jobs;
    return this.#claims.run(async () => {
      if (isOver()) return this.#result([], clock.monotonic());
      await this.settle();
      const claimedAt = clock.monotonic();
      const reservations = [];
      let free = request.free ?? request.max;
      try {
        for (const queue of request.queues) {
          while (reservations.length < request.max && !isOver()) {
            // What is held already runs out while a slow store is asked for more.
            if (reservations.length > 0 && clock.monotonic() - claimedAt > request.leaseMs * MOST_OF_LEASE) break;
            const max = request.max - reservations.length;
            const wanted = { queue, max, free, leaseMs: request.leaseMs };
            const got = await claimFrom(this.jobs, this.contention, wanted, isOver);
            if (got.length === 0) break;
            reservations.push(...got);
            free -= got.filter(({ job }) => job.losses > 0).length;
          }
        }
      } catch (error) {
        if (reservations.length === 0) throw error;
      }
      return this.#result(reservations, claimedAt);
    });
  }

  #result(reservations: ReserveResult["reservations"], claimedAt: number): ReserveResult {
    return { reservations, died: this.died.take(), nextDueInMs: this.nextDueInMs, claimedAt };
  }

  #addDied(jobs: readonly StoredJob[]): void {
    this.died.add(jobs);
    this.waiting.lookSoon();
  }

  /** What claims on their way bring is still given; then the session ends, and others may take what this process holds when its leases are over. */
  async close(): Promise<void> {
    this.waiting.close();
    await this.#claims.run(async () => undefined);
    this.#closing.abort();
    const life = await this.#life?.catch(() => undefined);
    await life?.end().catch(() => undefined);
    await this.jobs.store.close();
    await Promise.all(this.#watches);
  }
}
