import { beforeEach, expect, test } from "vitest";
import type { CoordinationStore } from "../../../src/contract/index.ts";
import { decodeCounter } from "../../../src/drivers/coordinated/counters.ts";
import { Keys } from "../../../src/drivers/coordinated/keys.ts";
import { Ledger, Unanswered } from "../../../src/drivers/coordinated/ledger.ts";
import type { Part } from "../../../src/drivers/coordinated/part.ts";
import { MemoryCoordination, memoryCoordinationStore } from "../../../src/drivers/memory/coordination-store.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";

/** What becomes of a call: done and answered; done and not answered; never done; done when `arrive` is called. */
type Fate = "answered" | "unanswered" | "dropped" | "late";

let store: CoordinationStore;
let ledger: Ledger;
let session = "";
let transacts: Fate[] = [];
let gets: Fate[] = [];
let arrive: () => Promise<unknown> = async () => undefined;

const silence = (): Error => new Error("no answer");
const keys = new Keys();

async function pass<T>(fates: Fate[], call: () => Promise<T>): Promise<T> {
  switch (fates.shift() ?? "answered") {
    case "answered":
      return call();
    case "unanswered":
      await call();
      throw silence();
    case "late":
      arrive = call;
      throw silence();
    case "dropped":
      throw silence();
  }
}

beforeEach(async () => {
  store = memoryCoordinationStore(new MemoryCoordination());
  await store.open({ clock: virtualClock() });
  const [transact, get] = [store.transact.bind(store), store.get.bind(store)];
  Object.assign(store, {
    transact: (...args: Parameters<typeof transact>) => pass(transacts, () => transact(...args)),
    get: (key: string) => pass(gets, () => get(key)),
  });
  session = (await store.openSession(60_000)).id;
  ledger = new Ledger(store, keys, "owner", session);
  [transacts, gets] = [[], []];
});

const part = (key: string): Part => ({
  compares: [{ key: `a/b/${key}`, absent: true }],
  writes: [{ put: `a/b/${key}`, value: new Uint8Array() }],
  counts: [{ queue: "q", what: "pending", by: 1 }],
});

/** The number of jobs by the counters, and by what is there: they never differ. */
async function counted(): Promise<number> {
  const { entries } = await store.list(keys.countersOf("owner"));
  const sum = entries.reduce((total, { value }) => total + decodeCounter(value).counts.pending, 0);
  expect((await store.list("a/b/")).entries).toHaveLength(sum);
  return sum;
}

const unansweredOf = async (commit: Promise<unknown>): Promise<Unanswered> => {
  const error = await commit.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Unanswered);
  return error as Unanswered;
};

test("what was done and not answered is found by reading the counter", async () => {
  transacts = ["unanswered"];
  expect(await ledger.commit([part("x")])).toEqual({ ok: true, versions: undefined });
  expect((await ledger.commit([part("y")])).ok).toBe(true);
  expect(await counted()).toBe(2);
});

test("what was not done is told as the raw error, and can never be done any more", async () => {
  transacts = ["late"];
  await expect(ledger.commit([part("x")])).rejects.toThrow("no answer");
  expect(await arrive()).toEqual({ ok: false });
  expect((await ledger.commit([part("x")])).ok).toBe(true);
  expect(await counted()).toBe(1);
});

test.each([
  ["unanswered", true],
  ["dropped", false],
] as const)("a store that is silent for longer: %s is settled when it is asked again", async (fate, wasDone) => {
  transacts = [fate];
  gets = ["dropped"];
  const { settle } = await unansweredOf(ledger.commit([part("x")]));
  gets = ["dropped"];
  await expect(settle()).rejects.toThrow("no answer");
  expect(await settle()).toBe(wasDone);
  expect(await settle()).toBe(wasDone);
  expect(await counted()).toBe(wasDone ? 1 : 0);
});

test("the write that closes the door is not taken for the transaction when its own answer is lost", async () => {
  transacts = ["late", "unanswered"];
  const { settle } = await unansweredOf(ledger.commit([part("x")]));
  expect(await settle()).toBe(false);
  expect(await arrive()).toEqual({ ok: false });
  expect((await ledger.commit([part("y")])).ok).toBe(true);
  expect(await counted()).toBe(1);
});

test("the next transaction settles the one before, and who asks late still gets the answer", async () => {
  transacts = ["unanswered"];
  gets = ["dropped"];
  const { settle } = await unansweredOf(ledger.commit([part("x")]));
  expect((await ledger.commit([part("y")])).ok).toBe(true);
  expect(await settle()).toBe(true);
  expect(await counted()).toBe(2);
});

test("many ask at once: the door is closed once", async () => {
  transacts = ["dropped"];
  gets = ["dropped"];
  const { settle } = await unansweredOf(ledger.commit([part("x")]));
  const [a, b, committed] = await Promise.all([settle(), settle(), ledger.commit([part("y")])]);
  expect([a, b, committed.ok]).toEqual([false, false, true]);
  expect(await counted()).toBe(1);
});

test("a session that has ended refuses, and settles what was silent as not done", async () => {
  const ending = await store.openSession(60_000);
  const own = new Ledger(store, keys, "owner", ending.id);
  transacts = ["late"];
  gets = ["dropped"];
  const { settle } = await unansweredOf(own.commit([part("x")]));
  await ending.close();
  expect(await settle()).toBe(false);
  expect(await arrive()).toEqual({ ok: false });
  expect(await own.commit([part("y")])).toEqual({ ok: false });
  expect(await counted()).toBe(0);
});
