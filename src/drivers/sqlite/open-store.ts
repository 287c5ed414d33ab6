import type { Capabilities, DriverContext, ReserveRequest, ReserveResult } from "../../contract/index.ts";
import { DiedJobs } from "../shared/died-jobs.ts";
import { NOTHING } from "../shared/reserving.ts";
import { type Kept, keptUnder } from "../shared/retention.ts";
import { CallerTransactions } from "./caller-transaction.ts";
import { capabilitiesOf } from "./capabilities.ts";
import { claimJobs, nothingToClaim } from "./claim.ts";
import { connect } from "./connection.ts";
import type { SqliteDatabase } from "./database.ts";
import { FileWatch } from "./file-watch.ts";
import { leaseClockFor } from "./lease-clock.ts";
import type { LeaseClock } from "./lease-clock.ts";
import type { Settings } from "./options.ts";
import { SideThread } from "./side-thread.ts";
import { prepareStatements } from "./statements.ts";
import { Transaction } from "./transaction.ts";
import { WaitingReserves } from "./waiting-reserves.ts";
import { WalGuard } from "./wal-guard.ts";
import { whileBusy } from "./while-busy.ts";
import { WriteQueue } from "./write-queue.ts";

/** Everything that is there between `open` and `close`. */
export class OpenStore {
  readonly context: DriverContext;
  readonly database: SqliteDatabase;
  readonly leaseClock: LeaseClock;
  readonly tx: Transaction;
  readonly writes: WriteQueue;
  readonly waiting: WaitingReserves;
  readonly callers: CallerTransactions;
  readonly kept: Kept;
  /** Of releases; the next reserve or maintain reports them. */
  readonly died: DiedJobs = new DiedJobs();
  /** Only beside a file. */
  readonly thread: SideThread | undefined;
  readonly #settings: Settings;
  readonly #guard: WalGuard | undefined;

  private constructor(settings: Settings, context: DriverContext, leaseClock: LeaseClock, database: SqliteDatabase) {
    const { target, durability, busyMs } = settings;
    const { clock } = context;
    this.#settings = settings;
    this.context = context;
    this.leaseClock = leaseClock;
    this.database = database;
    this.kept = keptUnder(context.retention);
    this.callers = new CallerTransactions(clock, leaseClock);
    this.tx = new Transaction(prepareStatements(database), clock, leaseClock, target.kind === "shared");
    const path = target.kind === "file" ? (database.location() ?? target.path) : undefined;
    this.thread = path === undefined ? undefined : new SideThread(path, durability === "power" ? "FULL" : "NORMAL");
    const guard = this.thread === undefined ? undefined : new WalGuard(database, clock, this.thread);
    this.#guard = guard;
    this.writes = new WriteQueue(database, this.tx, clock, busyMs, {
      beforeWrite: () => guard?.shorter(),
      committed: (tx) => {
        if (tx.died.length > 0) this.died.add(tx.died);
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
    return capabilitiesOf(this.#settings);
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
    return this.died.reportIn(result);
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
