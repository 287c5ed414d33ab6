/** What the leaders of a chaos run write to: a SQLite file that compares terms, and keeps each write with what its node believed. */
import { DatabaseSync } from "node:sqlite";

/** `at`: the machine's clock. `believed`: that it leads. */
export type Write = Readonly<{ at: number; term: number; node: string; accepted: number; believed: number }>;

export function makeRegister(file: string): void {
  const database = new DatabaseSync(file);
  database.exec("PRAGMA journal_mode = WAL");
  database.exec("CREATE TABLE register (id INTEGER PRIMARY KEY, term INTEGER NOT NULL)");
  database.exec(
    "CREATE TABLE writes (n INTEGER PRIMARY KEY, at REAL, term INTEGER, node TEXT, accepted INTEGER, believed INTEGER)",
  );
  database.exec("INSERT INTO register VALUES (1, 0)");
  database.close();
}

/** In their order. */
export function writesIn(file: string, after = 0): readonly Write[] {
  const database = new DatabaseSync(file, { readOnly: true, timeout: 10_000 });
  const query = "SELECT at, term, node, accepted, believed FROM writes WHERE at > ? ORDER BY n";
  const writes = database.prepare(query).all(after) as Write[];
  database.close();
  return writes;
}

/**
 * When somebody led after that time. Who led before believes it for one time-out more without a word from the store, so a term counts when its node still
 * believes in it later than that.
 */
export function ledAfter(from: number, ttlMs: number, writes: readonly Write[]): number | undefined {
  const right = writes.filter(({ at, accepted, believed }) => at > from && accepted === 1 && believed === 1);
  const confirmed = new Set(right.filter(({ at }) => at > from + ttlMs).map(({ term }) => term));
  return right.find(({ term }) => confirmed.has(term))?.at;
}
