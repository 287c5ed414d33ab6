import type { Compare, CoordinationWrite, TransactResult } from "../../contract/index.ts";
import { areaOf } from "../shared/coordination-arguments.ts";
import type { CoordinationStatements } from "./coordination-statements.ts";
import type { Transaction } from "./transaction.ts";

/**
 * What one transaction does to keys and sessions. Versions come from the sequence of the file, which is raised in the transaction that uses
 * it: SQLite lets one connection write at a time, so they are committed in their order.
 */
export class CoordinationWrites {
  readonly #sql: CoordinationStatements;

  constructor(sql: CoordinationStatements) {
    this.#sql = sql;
  }

  transact(tx: Transaction, compares: readonly Compare[], writes: readonly CoordinationWrite[]): TransactResult {
    this.endExpired(tx);
    if (!compares.every((compare) => this.#holds(tx, compare))) return { ok: false };
    const isDead = (session: string): boolean => !this.#holds(tx, { session });
    if (writes.some((write) => "put" in write && write.session !== undefined && isDead(write.session)))
      return { ok: false };
    const version = tx.tokens(1);
    for (const write of writes) {
      if ("delete" in write) this.#remove(write.delete, version);
      else this.#put(write.put, write.value, write.session, version);
    }
    tx.pages += 2 * writes.length;
    const told = String(version);
    return { ok: true, revision: told, versions: writes.map(() => told) };
  }

  openSession(tx: Transaction, ttlMs: number): string {
    const id = String(tx.tokens(1));
    // Rounded up: it ends late rather than early.
    this.#sql.addSession.run(id, Math.ceil(ttlMs), Math.ceil(tx.leaseNow + ttlMs));
    return id;
  }

  renew(tx: Transaction, id: string): boolean {
    return Number(this.#sql.renewSession.run(Math.ceil(tx.leaseNow), id, tx.leaseNow).changes) === 1;
  }

  endSession(tx: Transaction, id: string): void {
    if (Number(this.#sql.removeSession.run(id).changes) === 0) return;
    const owned = this.#sql.keysOfSession.all(id) as readonly Readonly<{ key: string }>[];
    if (owned.length === 0) return;
    const version = tx.tokens(1);
    for (const { key } of owned) this.#remove(key, version);
    tx.pages += 2 * owned.length;
  }

  endExpired(tx: Transaction): void {
    const expired = this.#sql.expiredSessions.all(tx.leaseNow) as readonly Readonly<{ id: string }>[];
    for (const { id } of expired) this.endSession(tx, id);
  }

  #holds(tx: Transaction, compare: Compare): boolean {
    if ("session" in compare) return this.#sql.session.get(compare.session, tx.leaseNow) !== undefined;
    const found = this.#sql.key.get(compare.key) as Readonly<{ version: number }> | undefined;
    return "absent" in compare ? found === undefined : String(found?.version) === compare.version;
  }

  #put(key: string, value: Uint8Array, session: string | undefined, version: number): void {
    this.#sql.put.run(key, version, session ?? null, value);
    this.#sql.changeArea.run(areaOf(key), version);
  }

  #remove(key: string, version: number): void {
    if (Number(this.#sql.remove.run(key).changes) > 0) this.#sql.removeInArea.run(areaOf(key), version);
  }
}
