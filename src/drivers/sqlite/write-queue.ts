import type { Clock } from "../../contract/index.ts";
import { JobferryError } from "../../errors/index.ts";
import { Deferred, nextTurn } from "../../runtime/index.ts";
import { closedError } from "../shared/life-cycle.ts";
import type { SqliteDatabase } from "./database.ts";
import { isBusy } from "./errors.ts";
import { MAX_BYTES, MAX_MS, MAX_ROWS } from "./limits.ts";
import type { Transaction } from "./transaction.ts";

/** One call's part of a transaction. Run again after a rollback, so it keeps nothing of an earlier run. */
export type Work<T> = Readonly<{
  rows: number;
  bytes: number;
  run(tx: Transaction): T;
  /** Whether `run` would be at most one statement now, which is a transaction by itself. */
  isOneStatement?: ((tx: Transaction) => boolean) | undefined;
  /** The answer without a transaction, when there is nothing to write; undefined when there may be. */
  idle?: (() => T | undefined) | undefined;
}>;

/** What happens around the transactions of a connection. */
export type WriteHooks = Readonly<{
  /** The WAL has to become shorter first: undefined to go on at once. Never rejects. */
  beforeWrite(): Promise<void> | undefined;
  /** After COMMIT. Must not throw. */
  committed(tx: Transaction): void;
}>;

/** How long flushes may follow each other in microtasks before the event loop gets its turn, ms. */
const TURN_MS = 0.5;
const MAX_BACKOFF_MS = 6;

class Queued {
  readonly work: Work<unknown>;
  readonly answered: Deferred<unknown> = new Deferred();
  result: unknown = undefined;
  /** It shared a transaction that failed, maybe by its fault: the next one is its own. */
  alone = false;

  constructor(work: Work<unknown>) {
    this.work = work;
  }
}

/**
 * All writes of one connection, in order. What arrives in the same tick shares a transaction (an acknowledgement and the next claim cost one
 * commit), cut by rows, bytes and time; between two the event loop gets its turn. A call is answered after COMMIT only.
 *
 * When another process holds the lock nothing blocks: the next try comes after a short random time. Waiting in SQLite's own busy handler
 * froze the event loop for up to 1.8 s and served eight processes unevenly (15 times between the first and the last).
 */
export class WriteQueue {
  readonly #database: SqliteDatabase;
  readonly #tx: Transaction;
  readonly #clock: Clock;
  readonly #busyMs: number;
  readonly #hooks: WriteHooks;
  #queued: Queued[] = [];
  #scheduled = false;
  #closed = false;
  /** Since when flushes of this turn of the event loop run; undefined before the first. */
  #turnSince: number | undefined;
  #busySince: number | undefined;
  #busyTries = 0;
  #drained: Deferred | undefined;

  constructor(database: SqliteDatabase, tx: Transaction, clock: Clock, busyMs: number, hooks: WriteHooks) {
    this.#database = database;
    this.#tx = tx;
    this.#clock = clock;
    this.#busyMs = busyMs;
    this.#hooks = hooks;
  }

  /** Rejects with SQLite's raw error when nothing of this call was stored. */
  submit<T>(work: Work<T>): Promise<T> {
    if (this.#closed) return Promise.reject(closedError("SQLite driver"));
    const queued = new Queued(work);
    this.#queued.push(queued);
    if (!this.#scheduled) this.#schedule();
    return queued.answered.promise as Promise<T>;
  }

  /** Resolves when everything that was submitted is answered. What comes afterwards, such as the next portion of a long call, is CLOSED. */
  close(): Promise<void> {
    this.#closed = true;
    if (this.#queued.length === 0) return Promise.resolve();
    this.#drained ??= new Deferred();
    return this.#drained.promise;
  }

  #schedule(): void {
    this.#scheduled = true;
    if (this.#turnSince === undefined || this.#clock.monotonic() - this.#turnSince < TURN_MS) {
      queueMicrotask(this.#flush);
    } else {
      nextTurn(this.#flush);
    }
  }

  #countTurn(): void {
    if (this.#turnSince !== undefined) return;
    this.#turnSince = this.#clock.monotonic();
    nextTurn(() => (this.#turnSince = undefined));
  }

  #continue(): void {
    if (this.#queued.length > 0) return nextTurn(this.#flush);
    this.#scheduled = false;
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  readonly #flush = (): void => {
    this.#countTurn();
    try {
      this.#answerIdle();
    } catch (error) {
      return this.#rejectAll(error); // a database that was handed in was closed by its owner
    }
    if (this.#queued.length === 0) return this.#continue();
    const shorter = this.#hooks.beforeWrite();
    if (shorter !== undefined) {
      void shorter.then(this.#flush);
      return;
    }
    let bare = false;
    try {
      bare = this.#isOneStatement();
      if (bare) this.#writeBare();
      else this.#begin();
    } catch (error) {
      return isBusy(error) ? this.#backOff(error) : this.#rejectAll(error);
    }
    this.#busySince = undefined;
    this.#busyTries = 0;
    if (!bare) this.#write();
    this.#continue();
  };

  #isOneStatement(): boolean {
    const [only] = this.#queued;
    if (this.#queued.length !== 1 || only?.work.isOneStatement?.(this.#tx) !== true) return false;
    return !this.#database.isTransaction;
  }

  /** Without BEGIN and COMMIT, which are a tenth of what a single push costs. @throws SQLite's error: then nothing was stored. */
  #writeBare(): void {
    const [only] = this.#queued;
    if (only === undefined) return;
    let result: unknown;
    this.#tx.start();
    try {
      result = only.work.run(this.#tx);
    } finally {
      this.#tx.end(); // else what the caller's own transaction makes next would be remembered as ours
    }
    this.#hooks.committed(this.#tx); // consumers that it wakes are queued behind
    this.#take(1);
    only.answered.resolve(result);
  }

  /** Claims on empty queues need no transaction. When somebody writes anyway they are looked at inside it. */
  #answerIdle(): void {
    if (this.#queued.some(({ work }) => work.idle === undefined) || this.#database.isTransaction) return;
    this.#queued = this.#queued.filter((queued) => {
      try {
        const answer = queued.work.idle?.();
        if (answer === undefined) return true;
        queued.answered.resolve(answer);
      } catch (error) {
        if (isBusy(error)) return true;
        queued.answered.reject(error);
      }
      return false;
    });
  }

  /** @throws SQLite's error; for a handle that is inside the caller's own transaction one that reads the same. */
  #begin(): void {
    if (this.#database.isTransaction) throw new CallerTransaction();
    this.#tx.sql.begin.get(); // without an object that tells of changes
    this.#tx.start();
  }

  #write(): void {
    const started = this.#clock.monotonic();
    let [taken, rows, bytes] = [0, 0, 0];
    try {
      for (const queued of this.#queued) {
        const { work } = queued;
        if (taken > 0 && (queued.alone || rows + work.rows > MAX_ROWS || bytes + work.bytes > MAX_BYTES)) break;
        taken += 1;
        queued.result = work.run(this.#tx);
        rows += work.rows;
        bytes += work.bytes;
        if (queued.alone) break;
        if (this.#clock.monotonic() - started > MAX_MS) break;
      }
      this.#commit();
    } catch (error) {
      this.#rollBack();
      return this.#failed(this.#take(taken), error);
    }
    for (const { answered, result } of this.#take(taken)) answered.resolve(result);
  }

  #commit(): void {
    this.#tx.settle();
    this.#tx.sql.commit.get();
    this.#tx.end();
    this.#hooks.committed(this.#tx);
  }

  #rollBack(): void {
    this.#tx.forget();
    try {
      // A full disk ends the transaction by itself.
      if (this.#database.isTransaction) this.#tx.sql.rollback.run();
    } catch {
      // The disk fails, or the owner closed the database: what failed first is told. SQLite has left the transaction all the same.
    }
  }

  #take(count: number): readonly Queued[] {
    if (count !== this.#queued.length) return this.#queued.splice(0, count);
    const all = this.#queued;
    this.#queued = [];
    return all;
  }

  /** One of them failed and took the others with it: each again in a transaction of its own, before those that came later. */
  #failed(batch: readonly Queued[], cause: unknown): void {
    const [only] = batch;
    if (batch.length === 1 && only !== undefined) return only.answered.reject(cause);
    for (const queued of batch) queued.alone = true;
    this.#queued = [...batch, ...this.#queued];
  }

  #backOff(error: unknown): void {
    const now = this.#clock.monotonic();
    this.#busySince ??= now;
    if (now - this.#busySince >= this.#busyMs)
      return this.#rejectAll(error instanceof CallerTransaction ? error.told() : error);
    this.#busyTries += 1;
    const most = Math.min(MAX_BACKOFF_MS, 1 + this.#busyTries);
    this.#clock.timer(this.#clock.random() * most, this.#flush);
  }

  #rejectAll(error: unknown): void {
    this.#busySince = undefined;
    this.#busyTries = 0;
    for (const { answered } of this.#take(this.#queued.length)) answered.reject(error);
    this.#continue();
  }
}

/** Reads as busy: the same may succeed when the caller has ended their transaction. */
class CallerTransaction extends Error {
  readonly errcode = 5;

  told(): JobferryError {
    return new JobferryError(
      "UNAVAILABLE",
      "The database that was handed in stayed inside a transaction of yours. End it, or push with { transaction }.",
      { retryable: true },
    );
  }
}
