import type { Clock, PushItem, PushResult } from "../../contract/index.ts";
import { JobferryError } from "../../errors/index.ts";
import type { SqliteDatabase } from "./database.ts";
import type { LeaseClock } from "./lease-clock.ts";
import { layoutVersion } from "./migrations.ts";
import { pushJobs } from "./push-jobs.ts";
import { LAYOUT_VERSION } from "./schema.ts";
import { prepareStatements } from "./statements.ts";
import type { Statements } from "./statements.ts";
import { Transaction } from "./transaction.ts";

/** Pushes on the caller's handle, inside the transaction that they opened and will end. No BEGIN, COMMIT or SAVEPOINT of ours. */
export class CallerTransactions {
  readonly #clock: Clock;
  readonly #leaseClock: LeaseClock;
  readonly #statements = new WeakMap<SqliteDatabase, Statements>();

  constructor(clock: Clock, leaseClock: LeaseClock) {
    this.#clock = clock;
    this.#leaseClock = leaseClock;
  }

  /**
   * Synchronous: the caller may commit as soon as `push` returned its promise. Nothing is remembered of the transaction, because it may be
   * rolled back. Consumers notice the commit as they notice another process's.
   * @throws INVALID_ARGUMENT when the handle is not inside a transaction, or its database has no queue in it.
   */
  push(database: SqliteDatabase, jobs: readonly PushItem[]): readonly PushResult[] {
    if (database.isTransaction !== true) {
      throw new JobferryError(
        "INVALID_ARGUMENT",
        "transaction is a database that is not inside a transaction. Run BEGIN on it first.",
      );
    }
    const tx = new Transaction(this.#prepared(database), this.#clock, this.#leaseClock, true);
    tx.start();
    return pushJobs(tx, jobs);
  }

  #prepared(database: SqliteDatabase): Statements {
    const known = this.#statements.get(database);
    if (known !== undefined) return known;
    if (layoutVersion(database, true) !== LAYOUT_VERSION) {
      throw new JobferryError(
        "INVALID_ARGUMENT",
        "transaction is a database without this queue's tables. Hand in one of the queue's own file.",
      );
    }
    const statements = prepareStatements(database);
    this.#statements.set(database, statements);
    return statements;
  }
}
