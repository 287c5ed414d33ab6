import { afterEach, beforeEach, expect, test } from "vitest";
import type { SqliteDatabase } from "../../../src/drivers/sqlite/index.ts";
import type { SideThread } from "../../../src/drivers/sqlite/side-thread.ts";
import { WalGuard } from "../../../src/drivers/sqlite/wal-guard.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";

const FULL = Object.assign(new Error("database or disk is full"), { errcode: 13 });
const LONG_ENOUGH_TO_CHECKPOINT = 5_000;
const MANY_PAGES = 500;
const rejected: unknown[] = [];
const remember = (reason: unknown): void => void rejected.push(reason);

beforeEach(() => void process.on("unhandledRejection", remember));
afterEach(() => void process.off("unhandledRejection", remember));

/** A connection whose statements do what the test says, beside a thread that could not start. */
function guardOn(get: (sql: string) => unknown): WalGuard {
  const database = { prepare: (sql: string) => ({ get: () => get(sql) }) };
  const broken = { broken: true, call: () => Promise.reject(new Error("gone")) };
  return new WalGuard(database as unknown as SqliteDatabase, virtualClock(), broken as unknown as SideThread);
}

test("a checkpoint that meets a full disk ends nothing", async () => {
  let tries = 0;
  const guard = guardOn((sql) => {
    if (!sql.includes("PASSIVE")) return { log: LONG_ENOUGH_TO_CHECKPOINT, checkpointed: 0 };
    tries += 1;
    throw FULL;
  });
  guard.wrote(MANY_PAGES);
  await new Promise<void>((resolve) => void setImmediate(resolve));
  guard.wrote(MANY_PAGES);
  await new Promise<void>((resolve) => void setImmediate(resolve));
  expect(tries).toBe(2);
  expect(rejected).toEqual([]);
});

test("a look at the WAL that fails after a commit does not fail the commit, nor the next write", () => {
  const guard = guardOn(() => {
    throw FULL;
  });
  guard.wrote(MANY_PAGES);
  expect(guard.shorter()).toBeUndefined();
});

/** Beside a thread whose checkpoints end when the test says. */
function guardBeside(state: { log: number; checkpointed: number }) {
  const ends: (() => void)[] = [];
  const call = (): Promise<void> => new Promise((resolve) => ends.push(resolve));
  const database = { prepare: () => ({ get: () => ({ ...state }) }) };
  const thread = { broken: false, call };
  return { ends, guard: new WalGuard(database as never, virtualClock(), thread as unknown as SideThread) };
}

const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

test("above the limit writers go on until a checkpoint has caught up, and wait for the rest only", async () => {
  const state = { log: 16_000, checkpointed: 8_000 };
  const { ends, guard } = guardBeside(state);
  guard.wrote(MANY_PAGES);
  expect(guard.shorter()).toBeUndefined();
  state.log = 16_500;
  guard.wrote(MANY_PAGES);
  expect([guard.shorter(), ends.length]).toEqual([undefined, 1]);
  state.checkpointed = 16_000;
  ends[0]?.();
  await settled();
  let over = false;
  void guard.shorter()?.then(() => (over = true));
  await settled();
  expect([over, ends.length]).toEqual([false, 2]);
  state.checkpointed = 16_500;
  ends[1]?.();
  await settled();
  expect([over, guard.shorter()]).toEqual([true, undefined]);
});

test("what is written meanwhile is bounded: then writers wait at once", () => {
  const state = { log: 16_000, checkpointed: 0 };
  const { guard } = guardBeside(state);
  guard.wrote(MANY_PAGES);
  expect(guard.shorter()).toBeUndefined();
  state.log = 20_000;
  guard.wrote(MANY_PAGES);
  expect(guard.shorter()).toBeInstanceOf(Promise);
});
