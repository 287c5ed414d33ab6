import type { Capabilities, DriverContext, ReserveRequest, ReserveResult, StoredJob } from "../../contract/index.ts";
import { MAX_DURATION_MS } from "../../runtime/index.ts";
import { claimJobs, nothingToClaim } from "./claim.ts";
import { connect } from "./connection.ts";
import type { SqliteDatabase } from "./database.ts";
import { FileWatch } from "./file-watch.ts";
import { leaseClockFor } from "./lease-clock.ts";
import type { LeaseClock } from "./lease-clock.ts";
import { MAX_PAYLOAD_BYTES, MAX_PRIORITY, MAX_ROWS, POLL_MS } from "./limits.ts";
import type { Settings } from "./options.ts";
import { SideThread } from "./side-thread.ts";
import { prepareStatements } from "./statements.ts";
import { Transaction } from "./transaction.ts";
import { WaitingReserves } from "./waiting-reserves.ts";
import { WalGuard } from "./wal-guard.ts";
import { whileBusy } from "./while-busy.ts";
import { WriteQueue } from "./write-queue.ts";

const NOTHING: ReserveResult = { reservations: [], died: [], nextDueInMs: undefined };

/** Everything that is there between `open` and `close`. */
export class OpenStore {
  readonly context: DriverContext;
  readonly database: SqliteDatabase;
  readonly leaseClock: LeaseClock;
  readonly tx: Transaction;
  readonly writes: WriteQueue;
  readonly waiting: WaitingReserves;
  /** Only beside a file. */
  readonly thread: SideThread | undefined;
  readonly #settings: Settings;
  /** Jobs that a release failed for good; the next reserve or maintain reports them. */
  #died: StoredJob[] = [];
  readonly #guard: WalGuard | undefined;

  private constructor(settings: Settings, context: DriverContext, leaseClock: LeaseClock, database: SqliteDatabase) {
    const { target, durability, busyMs } = settings;
    const { clock } = context;
    this.#settings = settings;
    this.context = context;
    this.leaseClock = leaseClock;
    this.database = database;
    this.tx = new Transaction(prepareStatements(database), clock, leaseClock, target.kind === "shared");
    const path = target.kind === "file" ? (database.location() ?? target.path) : undefined;
    this.thread = path === undefined ? undefined : new SideThread(path, durability === "power" ? "FULL" : "NORMAL");
    const guard = this.thread === undefined ? undefined : new WalGuard(database, clock, this.thread);
    this.#guard = guard;
    this.writes = new WriteQueue(database, this.tx, clock, busyMs, {
      beforeWrite: () => guard?.shorter(),
      committed: (tx) => {
        if (tx.died.length > 0) this.#died.push(...tx.died);
        this.#wakeConsumers(tx);
        guard?.wrote(tx.pages);
      },
    });
    const watch = path === undefined ? undefined : new FileWatch(database, path, clock, () => this.waiting.wakeAll());
    this.waiting = new WaitingReserves(clock, (request, isOver) => this.claim(request, isOver), watch);
  }

  static async open(settings: Settings, context: DriverContext): Promise<OpenStore> {
    const leaseClock = leaseClockFor(context.clock);
    const database = await connect(settings, context.clock, leaseClock);
    return new OpenStore(settings, context, leaseClock, database);
  }

  get capabilities(): Capabilities {
    const isFile = this.#settings.target.kind === "file";
    return {
      durability: isFile ? this.#settings.durability : "process",
      shared: isFile,
      pushById: true,
      attempts: "exact",
      finish: "confirmed",
      release: "native",
      refund: true,
      priority: { support: "native", order: "strict", min: -MAX_PRIORITY, max: MAX_PRIORITY },
      fifo: true,
      delay: { support: "native", precisionMs: 20, maxMs: MAX_DURATION_MS },
      lease: { ends: "deadline", grainMs: 1, minMs: 1, extend: "native" },
      batch: { atomic: MAX_ROWS, maxItems: MAX_ROWS, maxBytes: MAX_PAYLOAD_BYTES },
      payload: { maxBytes: MAX_PAYLOAD_BYTES },
      wakeup: { kind: "notify", pollMs: POLL_MS },
      pause: { support: "native", lagMs: 0 },
      clear: { support: "native", counts: true },
      stats: { pending: "exact", delayed: "exact", reserved: "exact", failed: "exact", completed: "exact" },
      records: true,
      failedJobs: true,
      transactions: true,
      coordination: isFile,
    };
  }

  /** `isOver` is asked at the last moment: what nobody waits for any more is not taken. */
  async claim(request: ReserveRequest, isOver: () => boolean): Promise<ReserveResult> {
    const { clock } = this.context;
    const result = await this.writes.submit({
      rows: request.max,
      bytes: 0,
      run: (tx) => (isOver() ? NOTHING : claimJobs(tx, request)),
      idle: () => (isOver() ? NOTHING : nothingToClaim(this.tx, request.queues, clock.now(), this.leaseClock.now())),
    });
    return this.#died.length === 0 ? result : { ...result, died: [...this.takeDied(), ...result.died] };
  }

  takeDied(): readonly StoredJob[] {
    const died = this.#died;
    this.#died = [];
    return died;
  }

  /** A read outside of transactions, repeated while the file is locked. */
  read<T>(attempt: () => T): Promise<T> {
    return whileBusy(this.context.clock, this.#settings.busyMs, attempt);
  }

  async close(): Promise<void> {
    this.waiting.close();
    await this.writes.close();
    this.#guard?.stop();
    if (this.#settings.target.kind !== "shared") this.database.close();
    // Last, so that the final checkpoint of the last process on the file runs in the thread.
    await this.thread?.close();
  }

  #wakeConsumers(tx: Transaction): void {
    for (const [queue, jobs] of tx.woken) this.waiting.wake(queue, jobs);
    // The delayed job may be due before what they wait for: each looks again.
    if (tx.delayed) this.waiting.wakeAll();
  }
}
