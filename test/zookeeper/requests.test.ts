// What the store remembers of nodes saves it requests, and never makes it believe what is not so any more.
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { CoordinationStore, CoordinationWrite, TransactResult } from "../../src/contract/index.ts";
import { coordinatedDriver } from "../../src/drivers/coordinated/index.ts";
import { ANY, type ReadOp, requests, type WriteOp } from "../../src/drivers/zookeeper/client/requests.ts";
import { zookeeperCoordinationStore } from "../../src/drivers/zookeeper/index.ts";
import { silentLogger, systemClock } from "../../src/runtime/index.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { item, take } from "../unit/coordinated/stage.ts";
import { keptClient, serversAt } from "./raw-client.ts";

const server = await sharedServer("zookeeper");
const AREA = "some/keys";
const keyOf = (name: string): string => `${AREA}/${name}`;
const value = Uint8Array.of(7);

/** Requests in their order, of all stores of this process; `look`: what a transaction reads by itself. */
let sent: ("transaction" | "look" | "listing")[] = [];

/** It comes when its time has come, and checks the mark of its session alone. */
function isRenewal(ops: readonly WriteOp[]): boolean {
  const [first, ...others] = ops;
  return first?.op === "check" && first.path.startsWith(`${root}/s/`) && others.length === 0;
}

function record(): void {
  const { multi, multiRead } = requests;
  vi.spyOn(requests, "multi").mockImplementation((ops) => {
    if (!isRenewal(ops)) sent.push("transaction");
    return multi(ops);
  });
  vi.spyOn(requests, "multiRead").mockImplementation((ops: readonly ReadOp[]) => {
    sent.push(ops.some(({ op }) => op === "getChildren") ? "listing" : "look");
    return multiRead(ops);
  });
}

async function during<T>(work: () => Promise<T>): Promise<Readonly<{ result: T; sent: typeof sent }>> {
  sent = [];
  const result = await work();
  return { result, sent };
}

let stores: CoordinationStore[] = [];
let root = "";

async function opened(): Promise<CoordinationStore> {
  const store = zookeeperCoordinationStore({ servers: [`127.0.0.1:${server?.port}`], root });
  await store.open({ clock: systemClock });
  stores.push(store);
  return store;
}

beforeEach(() => {
  root = `/test-${randomUUID()}`;
  record();
});

afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(stores.map((store) => store.close()));
  stores = [];
});

/** @returns the version of the first. */
async function write(store: CoordinationStore, ...writes: readonly CoordinationWrite[]): Promise<string> {
  const result = await store.transact([], writes);
  if (!result.ok) throw new Error("a transaction without compares takes effect");
  return result.versions[0] ?? "";
}

const put = (name: string, more: Readonly<{ session?: string; once?: boolean; unused?: boolean }> = {}) => ({
  ...{ put: keyOf(name), value },
  ...more,
});
const gone = (name: string) => ({ delete: keyOf(name) });

async function namesIn(store: CoordinationStore, options: Parameters<CoordinationStore["list"]>[1] = {}) {
  const { entries } = await store.list(`${AREA}/`, options);
  return entries.map(({ key }) => key.slice(AREA.length + 1));
}

/** As the server does: with an area when nothing is left below it, with the mark of a session when that ends. */
async function removeNode(below: string): Promise<void> {
  await using client = await keptClient(serversAt([server?.port ?? 0]));
  await client.call(requests.write({ op: "delete", path: `${root}/${below}`, version: ANY }));
}
const removeArea = (): Promise<void> => removeNode(`k/${AREA.replaceAll("/", ",")}`);

describe.runIf(server !== undefined)("requests of jobs", () => {
  test("a push, a claim and an end of several jobs are one transaction each, and read nothing for it", async () => {
    const connect = (): CoordinationStore =>
      zookeeperCoordinationStore({ servers: [`127.0.0.1:${server?.port}`], root });
    const driver = coordinatedDriver({ name: "zookeeper", connect });
    const none = { count: 0, ageMs: 0 };
    // Turns that take long would look again at what waits, and begin a bucket beside one that is old: by this clock none does.
    const clock = { ...systemClock, monotonic: () => 0 };
    await driver.open({ clock, logger: silentLogger, retention: { completed: none, failed: none } });
    try {
      for (let turn = 0; turn < 5; turn += 1) {
        const pushed = await during(() => driver.push(Array.from({ length: 5 }, () => item(randomUUID()))));
        const taken = await during(() => take(driver, 5));
        const ends = taken.result.map((reservation) => ({ reservation, outcome: "done" }) as const);
        const ended = await during(() => driver.finish(ends));
        expect(ended.result).toEqual(["ok", "ok", "ok", "ok", "ok"]);
        if (turn < 2) continue;
        expect([pushed.sent, ended.sent]).toEqual([["transaction"], ["transaction"]]);
        // Looking around for jobs is no part of the transaction.
        expect(taken.sent.filter((kind) => kind !== "listing")).toEqual(["transaction"]);
      }
    } finally {
      await driver.close();
    }
  });
});

type Use = Readonly<{ what: string; writes: readonly CoordinationWrite[] }>;
const USES: readonly Use[] = [
  { what: "a change of it", writes: [put("a")] },
  { what: "its end", writes: [gone("a")] },
  { what: "a write of another key", writes: [put("other")] },
];

describe.runIf(server !== undefined)("keys that are remembered", () => {
  test.each(USES)(
    "$what on its version is one request, and one that relies on it after a change is refused",
    async ({ writes }) => {
      const [mine, foreign] = [await opened(), await opened()];
      const version = await write(mine, put("a"), put("other"));
      const done = await during(() => mine.transact([{ key: keyOf("a"), version }], [put("a")]));
      expect(done).toMatchObject({ result: { ok: true }, sent: ["transaction"] });
      const before = (await mine.get(keyOf("a")))?.version ?? "";
      const after = await write(foreign, put("a"));
      const refused = await during(() => mine.transact([{ key: keyOf("a"), version: before }], writes));
      expect(refused).toEqual({ result: { ok: false }, sent: ["transaction", "look"] });
      expect((await mine.get(keyOf("a")))?.version).toBe(after);
      expect(await mine.transact([{ key: keyOf("a"), version: after }], writes)).toMatchObject({ ok: true });
    },
  );

  test.each(USES)(
    "$what on a version from before it was deleted and made again by others is refused",
    async ({ writes }) => {
      const [mine, foreign] = [await opened(), await opened()];
      const version = await write(mine, put("a"), put("other"));
      await write(foreign, gone("a"));
      // As many changes of its data as before: the server's own version is the same.
      const after = await write(foreign, put("a"));
      const refused = await during(() => mine.transact([{ key: keyOf("a"), version }], writes));
      expect(refused).toEqual({ result: { ok: false }, sent: ["transaction", "look"] });
      expect((await mine.get(keyOf("a")))?.version).toBe(after);
    },
  );

  test.each(["listed", "changed twice"])("the same for one that was %s", async (how) => {
    const [mine, foreign] = [await opened(), await opened()];
    let version = await write(how === "listed" ? foreign : mine, put("a"));
    if (how === "listed") expect(await namesIn(mine)).toEqual(["a"]);
    else version = await write(mine, put("a"));
    await write(foreign, gone("a"));
    await write(foreign, put("a"));
    if (how !== "listed") await write(foreign, put("a"));
    expect(await mine.transact([{ key: keyOf("a"), version }], [gone("a")])).toEqual({ ok: false });
    expect(await mine.get(keyOf("a"))).toBeDefined();
  });

  test("writes without compares of what others deleted, made and changed take effect on the newest state", async () => {
    const [mine, foreign] = [await opened(), await opened()];
    const versions = [await write(mine, put("deleted"), put("made"), put("changed"))];
    await write(foreign, gone("deleted"), gone("made"));
    versions.push(await write(foreign, put("made"), put("changed"), put("new", { once: true })));
    versions.push(await write(mine, put("deleted"), put("made"), put("changed"), put("new", { unused: true })));
    expect(versions.toSorted((a, b) => Number(BigInt(a) - BigInt(b)))).toEqual(versions);
    const { entries } = await foreign.list(`${AREA}/`);
    expect(entries.map(({ version }) => version)).toEqual(Array(4).fill(versions[2]));
    await write(foreign, gone("deleted"));
    await write(mine, gone("deleted"), gone("made"));
    expect(await namesIn(foreign)).toEqual(["changed", "new"]);
  });

  test("what others deleted is absent, and what they made is not", async () => {
    const [mine, foreign] = [await opened(), await opened()];
    await write(mine, put("a"));
    await write(mine, put("b"));
    await write(mine, gone("b"));
    await write(foreign, gone("a"), put("b"));
    const absent = (name: string): Promise<TransactResult> =>
      mine.transact([{ key: keyOf(name), absent: true }], [put("c")]);
    expect([(await absent("a")).ok, (await absent("b")).ok]).toEqual([true, false]);
  });
});

describe.runIf(server !== undefined)("keys of sessions that are remembered", () => {
  test("a key that others made again under their session is this client's again after its put", async () => {
    const [mine, foreign] = [await opened(), await opened()];
    await write(mine, put("a"));
    const session = await foreign.openSession(30_000);
    await write(foreign, gone("a"));
    await write(foreign, put("a", { session: session.id }));
    const done = await during(() => write(mine, put("a")));
    expect(done.sent).toEqual(["transaction", "look", "transaction"]);
    await session.close();
    expect((await mine.get(keyOf("a")))?.version).toBe(done.result);
  });

  test("a key that was listed under a session which others ended or left is refused by its version, and may be taken", async () => {
    const [mine, foreign] = [await opened(), await opened()];
    const [left, own] = [await foreign.openSession(30_000), await mine.openSession(30_000)];
    const version = await write(foreign, put("ended", { session: left.id }), put("freed", { session: left.id }));
    expect(await namesIn(mine)).toEqual(["ended", "freed"]);
    await write(foreign, put("freed"));
    await left.close();
    for (const name of ["ended", "freed"])
      expect(await mine.transact([{ key: keyOf(name), version }], [put(name)])).toEqual({ ok: false });
    expect(await namesIn(foreign)).toEqual(["freed"]);
    await write(mine, put("ended", { session: own.id }), put("freed", { session: own.id }));
    expect(await namesIn(foreign)).toEqual(["ended", "freed"]);
    await own.close();
    expect(await namesIn(foreign)).toEqual([]);
  });

  test("a key that was put under a session twice, and then without, stays when that ends", async () => {
    const mine = await opened();
    const session = await mine.openSession(30_000);
    const owned = put("a", { session: session.id });
    await write(mine, owned);
    // Whose it is only a look tells.
    await namesIn(mine);
    await write(mine, owned);
    await write(mine, put("a"));
    await session.close();
    expect(await namesIn(mine)).toEqual(["a"]);
  });

  test("a session whose mark is gone does not live, without a look before", async () => {
    const mine = await opened();
    const session = await mine.openSession(30_000);
    const writes = async (): Promise<TransactResult> => mine.transact([{ session: session.id }], [put("a")]);
    await writes();
    expect(await during(writes)).toMatchObject({ result: { ok: true }, sent: ["transaction"] });
    await removeNode(`s/${session.id}`);
    expect(await during(writes)).toEqual({ result: { ok: false }, sent: ["transaction", "look"] });
  });
});

describe.runIf(server !== undefined)("areas and names that are remembered", () => {
  test("a key is put into an area that has vanished, also one that was there before", async () => {
    const [mine, foreign] = [await opened(), await opened()];
    const once = { once: true, unused: true };
    await write(mine, put("a", once));
    await write(foreign, gone("a"));
    await removeArea();
    await write(mine, put("b", once));
    await write(mine, gone("b"));
    await removeArea();
    await write(mine, put("a", { once: true }), put("c"));
    expect(await namesIn(foreign)).toEqual(["a", "c"]);
  });

  test("a listing is one request while names are the same, and right when others add and delete them", async () => {
    const [mine, foreign] = [await opened(), await opened()];
    await write(foreign, put("a"), put("b"), put("c"));
    await namesIn(mine);
    expect(await during(() => namesIn(mine))).toEqual({ result: ["a", "b", "c"], sent: ["listing"] });
    await write(foreign, put("aa"), gone("b"), put("d"));
    expect(await namesIn(mine)).toEqual(["a", "aa", "c", "d"]);
    await write(foreign, put("ab"), gone("d"));
    expect(await namesIn(mine, { limit: 2, after: keyOf("a") })).toEqual(["aa", "ab"]);
    const version = await write(foreign, put("c"));
    expect((await mine.list(keyOf("c"))).entries).toEqual([{ key: keyOf("c"), value, version }]);
    await write(mine, gone("c"));
    await write(foreign, put("c"));
    expect(await namesIn(mine)).toEqual(["a", "aa", "ab", "c"]);
  });

  test("a listing of few of many names has the first ones, whatever came and went before them", async () => {
    const [mine, foreign] = [await opened(), await opened()];
    // In an order that is neither up nor down.
    const names = Array.from({ length: 40 }, (_, index) => `k${10 + ((index * 23) % 40)}`);
    await write(foreign, ...names.map((name) => put(name)));
    const sorted = names.toSorted();
    for (const limit of [1, 3, 9, 11]) {
      expect(await namesIn(mine, { limit })).toEqual(sorted.slice(0, limit));
      expect(await during(() => namesIn(mine, { limit }))).toMatchObject({ sent: ["listing"] });
    }
    await write(foreign, gone("k10"), gone("k12"), put("k115"), put("k0"));
    const after = ["k0", "k11", "k115", ...sorted.slice(3)];
    for (const limit of [9, 3, 1]) expect(await namesIn(mine, { limit })).toEqual(after.slice(0, limit));
  });

  test("a listing is right when all names have gone, when the area has, and when it is made again", async () => {
    const [mine, foreign] = [await opened(), await opened()];
    await write(foreign, put("a"), put("b"));
    expect(await namesIn(mine)).toEqual(["a", "b"]);
    await write(foreign, gone("a"), gone("b"));
    expect(await namesIn(mine)).toEqual([]);
    await write(foreign, put("a"), put("b"));
    expect(await namesIn(mine)).toEqual(["a", "b"]);
    await write(foreign, gone("a"), gone("b"));
    await removeArea();
    expect(await namesIn(mine)).toEqual([]);
    await write(foreign, put("b"), put("c"));
    expect(await namesIn(mine)).toEqual(["b", "c"]);
  });
});
