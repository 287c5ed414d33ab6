// What the conformance suite cannot see of the store in a SQLite file.
import { DatabaseSync } from "node:sqlite";
import { afterEach, expect, test } from "vitest";
import type { CoordinationStore } from "../../../src/contract/index.ts";
import { sqliteCoordinationStore } from "../../../src/drivers/sqlite/index.ts";
import { sqliteCluster, sqliteQueue } from "../../../src/entry/sqlite.ts";
import { createJob } from "../../../src/entry/index.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";
import { newPath } from "./setup.ts";

const stores: CoordinationStore[] = [];
const value = new Uint8Array([1]);

async function opened(path: string, clock = virtualClock()): Promise<CoordinationStore> {
  const store = sqliteCoordinationStore({ path, busyTimeout: 200 });
  stores.push(store);
  await store.open({ clock });
  return store;
}

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
});

function one<T>(path: string, sql: string): T {
  const database = new DatabaseSync(path);
  const row = database.prepare(sql).get() as T;
  database.close();
  return row;
}

test("a transaction alone ends a session that is past its time, before it compares", async () => {
  const [path, clock] = [newPath(), virtualClock()];
  const store = await opened(path, clock);
  const session = await store.openSession(1_000);
  await store.transact([], [{ put: "a/b/c", value, session: session.id }]);
  await clock.advance(1_001);
  expect((await store.transact([{ key: "a/b/c", absent: true }], [{ put: "a/b/c", value }])).ok).toBe(true);
  expect(one(path, "SELECT count(*) AS n FROM jobferry_sessions")).toEqual({ n: 0 });
});

test("sessions of before a restart of the machine have ended", async () => {
  const path = newPath();
  const first = await opened(path);
  const session = await first.openSession(3_600_000);
  await first.transact([], [{ put: "a/b/c", value, session: session.id }]);
  await first.close();
  const database = new DatabaseSync(path);
  database.exec("UPDATE jobferry_meta SET value = 'another boot' WHERE key = 'clock'");
  database.close();
  const second = await opened(path);
  expect(await second.get("a/b/c")).toBeUndefined();
});

test("a write that finds the file locked waits without blocking, and is UNAVAILABLE after busyTimeout", async () => {
  const [path, clock] = [newPath(), virtualClock()];
  const store = await opened(path, clock);
  const other = new DatabaseSync(path);
  other.exec("BEGIN IMMEDIATE");
  let code = "";
  const writing = store
    .transact([], [{ delete: "a/b/c" }])
    .catch((error: unknown) => (code = store.classify(error).code));
  await clock.advance(300);
  await writing;
  expect(code).toBe("UNAVAILABLE");
  other.exec("ROLLBACK");
  other.close();
  expect((await store.transact([], [{ put: "a/b/c", value }])).ok).toBe(true);
});

test("a queue and a cluster share a file, and versions and tokens share its sequence", async () => {
  const path = newPath();
  const queue = sqliteQueue(path);
  const cluster = sqliteCluster(path, { nodeId: "a", logger: silentLogger });
  await cluster.start();
  await queue.push(createJob("x"));
  const lock = await cluster.lock("l");
  const job = await queue.pop();
  expect(Number(job !== undefined && lock.token > 0n)).toBe(1);
  const { value: sequence } = one<{ value: number }>(path, "SELECT value FROM jobferry_counters WHERE id = 0");
  expect(BigInt(sequence)).toBeGreaterThan(lock.token);
  await job?.complete();
  await cluster.stop();
  await queue.close();
  expect(one(path, "SELECT count(*) AS n FROM jobferry_keys")).toEqual({ n: 0 });
  expect(one(path, "SELECT count(*) AS n FROM jobferry_sessions")).toEqual({ n: 0 });
});

test.each([
  [() => sqliteCluster("", { nodeId: "a" }), /path/],
  [() => sqliteCluster("redis://user:secret@host", { nodeId: "a" }), /path is a URL/],
  [() => sqliteCluster("x.db", { nodeId: "a", electionTimeout: 20 }), /electionTimeout is 20; .*from 100/],
  [() => sqliteCluster("x.db", { nodeId: "a", lockTimout: 20 } as never), /Did you mean "lockTimeout"/],
])("bad input %# is refused at construction", (make, message) => {
  expect(make).toThrow(message);
});
