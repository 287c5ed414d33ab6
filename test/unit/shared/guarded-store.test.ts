import { expect, test } from "vitest";
import type { CoordinationStore, WatchEvent } from "../../../src/contract/index.ts";
import { guardedStore, type OpenCoordination, type Watching } from "../../../src/drivers/shared/guarded-store.ts";
import { systemClock } from "../../../src/runtime/index.ts";

const EVENT: WatchEvent = { kind: "reset", entries: [], revision: "1" };
const CLOSED = { code: "CLOSED", message: "The Test store is closed. Make another one." };
const noSignal = new AbortController().signal;

type Stage = Readonly<{ store: CoordinationStore; calls: string[] }>;

/** A store that writes down what reaches it. */
function stage(watch: OpenCoordination["watch"] = endless): Stage {
  const calls: string[] = [];
  const called = async <T>(name: string, answer: T): Promise<T> => {
    calls.push(name);
    return answer;
  };
  const session = { id: "s", renew: () => called("renew", "ok" as const), close: () => called("end", undefined) };
  const open: OpenCoordination = {
    get: () => called("get", undefined),
    list: (_prefix, options) => called(`list ${JSON.stringify(options)}`, { entries: [], revision: "1" }),
    transact: () => called("transact", { ok: false }),
    openSession: () => called("openSession", session),
    watch,
    close: () => called("close", undefined),
  };
  const store = guardedStore({
    name: "test",
    title: "Test",
    capabilities: {
      shared: true,
      consistency: "linearizable",
      session: { minTtlMs: 100, maxTtlMs: 1_000, endFactor: 1, endLagMs: 0 },
      watch: { lagMs: 0 },
      limits: { keyBytes: 10, valueBytes: 10, operations: 2, transactionBytes: 20 },
    },
    open: () => called("open", open),
    classify: () => ({ code: "UNEXPECTED", retryable: false }),
  });
  return { store, calls };
}

async function* endless(_prefix: string, { over, bell }: Watching): AsyncGenerator<WatchEvent, void, undefined> {
  yield EVENT;
  while (!over.aborted) await bell.wait();
}

async function opened(watch?: OpenCoordination["watch"]): Promise<Stage> {
  const made = stage(watch);
  await made.store.open({ clock: systemClock });
  made.calls.splice(0);
  return made;
}

async function collect(events: AsyncIterable<WatchEvent>): Promise<readonly WatchEvent[]> {
  const found: WatchEvent[] = [];
  for await (const event of events) found.push(event);
  return found;
}

const wrong: Readonly<Record<string, (store: CoordinationStore) => Promise<unknown>>> = {
  "get of a key that is none": (store) => store.get("a"),
  "get of a key that is too long": (store) => store.get("a/b/cdefghi"),
  "list of a prefix that is none": (store) => store.list("a/b"),
  "list with a limit of 0": (store) => store.list("a/b/", { limit: 0 }),
  "a transaction of nothing": (store) => store.transact([], []),
  "a transaction of too much": (store) =>
    store.transact([], [{ delete: "a/b/c" }, { delete: "a/b/d" }, { delete: "a/b/e" }]),
  "a session of too short a time": (store) => store.openSession(99),
  "a session of too long a time": (store) => store.openSession(1_001),
  "a watch of a prefix that is none": (store) => collect(store.watch("a/b", { signal: noSignal })),
};

test.each(Object.entries(wrong))("refuses %s before the backend is asked", async (_name, call) => {
  const { store, calls } = await opened();
  await expect(call(store)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  expect(calls).toEqual([]);
});

test("what is in order goes to the backend as it is", async () => {
  const { store, calls } = await opened();
  await store.get("a/b/c");
  await store.list("a/b/");
  await store.list("a/b/", { limit: 1, after: "a/b/c" });
  await store.transact([{ key: "a/b/c", absent: true }], [{ delete: "a/b/c" }]);
  const session = await store.openSession(100);
  expect([session.id, await session.renew()]).toEqual(["s", "ok"]);
  await session.close();
  const listed = ["list {}", 'list {"limit":1,"after":"a/b/c"}'];
  expect(calls).toEqual(["get", ...listed, "transact", "openSession", "renew", "end"]);
});

test("a store that is not open, or closed, refuses every call", async () => {
  const { store, calls } = stage();
  const all = (): readonly Promise<unknown>[] => [
    store.get("a/b/c"),
    store.list("a/b/"),
    store.transact([], [{ delete: "a/b/c" }]),
    store.openSession(100),
    collect(store.watch("a/b/", { signal: noSignal })),
  ];
  for (const call of all()) await expect(call).rejects.toMatchObject({ code: "NOT_OPEN" });
  await store.open({ clock: systemClock });
  await Promise.all([store.close(), store.close()]);
  for (const call of all()) await expect(call).rejects.toMatchObject(CLOSED);
  await expect(store.open({ clock: systemClock })).rejects.toMatchObject(CLOSED);
  expect(calls).toEqual(["open", "close"]);
});

test("a session of a store that was closed is not said to have ended", async () => {
  const { store, calls } = await opened();
  const session = await store.openSession(100);
  await store.close();
  await expect(session.renew()).rejects.toMatchObject(CLOSED);
  await expect(session.close()).rejects.toMatchObject(CLOSED);
  expect(calls).toEqual(["openSession", "close"]);
});

test("a watch ends with the signal, and with the store", async () => {
  const { store } = await opened();
  const stop = new AbortController();
  const [bySignal, byStore] = [stop.signal, noSignal].map((signal) => collect(store.watch("a/b/", { signal })));
  stop.abort();
  expect(await bySignal).toEqual([EVENT]);
  await store.close();
  expect(await byStore).toEqual([EVENT]);
});

test("a watch whose signal has fired tells nothing", async () => {
  const { store } = await opened();
  expect(await collect(store.watch("a/b/", { signal: AbortSignal.abort() }))).toEqual([]);
});

test("a watch throws what the backend throws, unless it is over", async () => {
  const stop = new AbortController();
  const { store } = await opened(async function* () {
    yield EVENT;
    throw new Error("cut");
  });
  await expect(collect(store.watch("a/b/", { signal: noSignal }))).rejects.toThrow("cut");
  const found: WatchEvent[] = [];
  for await (const event of store.watch("a/b/", { signal: stop.signal })) {
    found.push(event);
    stop.abort();
  }
  expect(found).toEqual([EVENT]);
});

test("a watch that its reader leaves is left in the backend, and hears of no end any more", async () => {
  let left = 0;
  let rung = 0;
  const stop = new AbortController();
  const { store } = await opened(async function* (_prefix, { bell }) {
    const heard = bell.wait().then(() => (rung += 1));
    try {
      yield EVENT;
      await heard;
    } finally {
      left += 1;
    }
  });
  for await (const event of store.watch("a/b/", { signal: stop.signal })) {
    expect(event).toBe(EVENT);
    break;
  }
  expect(left).toBe(1);
  stop.abort();
  await Promise.resolve();
  expect(rung).toBe(0);
});
