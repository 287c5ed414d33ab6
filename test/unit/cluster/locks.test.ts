import { describe, expect, test } from "vitest";
import type { Lock } from "../../../src/cluster/index.ts";
import { JobferryError } from "../../../src/errors/index.ts";
import { failure, newStage, TTL } from "./stage.ts";

test("a lock has one holder; the next has it the moment it is released, with a higher token", async () => {
  const stage = newStage();
  const [a, b] = [await stage.started("a"), await stage.started("b")];
  const first = await a.cluster.lock("report");
  let second: Lock | undefined;
  const waiting = b.cluster.lock("report").then((lock) => (second = lock));
  await stage.pass(TTL * 3);
  expect(second).toBeUndefined();
  expect(first.held).toBe(true);
  const before = stage.clock.monotonic();
  await first.release();
  await stage.settled(waiting);
  expect(stage.clock.monotonic()).toBe(before);
  expect(second?.token).toBeGreaterThan(first.token);
  expect([first.held, second?.held, first.lost.aborted]).toEqual([false, true, false]);
  await first.release();
  expect(second?.held).toBe(true);
});

test("a listing from where nothing is known of the line, not even one's own place, gives nobody the lock", async () => {
  const stage = newStage();
  const [a, b] = [await stage.started("a"), await stage.started("b")];
  const first = await a.cluster.lock("report");
  const list = b.line.list.bind(b.line);
  let stale = 3;
  b.line.list = async (prefix, options) => {
    const listed = await list(prefix, options);
    if (stale === 0) return listed;
    stale -= 1;
    return { ...listed, entries: [] };
  };
  let second: Lock | undefined;
  const waiting = b.cluster.lock("report").then((lock) => (second = lock));
  await stage.pass(TTL * 2);
  expect([stale, second, first.held]).toEqual([0, undefined, true]);
  await first.release();
  await stage.settled(waiting);
  expect(second?.held).toBe(true);
});

test("a place that somebody removed is told, and nobody waits for ever", async () => {
  const stage = newStage();
  const [a, b] = [await stage.started("a"), await stage.started("b")];
  const first = await a.cluster.lock("report");
  const list = b.line.list.bind(b.line);
  b.line.list = async (prefix, options) => ({ ...(await list(prefix, options)), entries: [] });
  const error = await stage.settled(failure(b.cluster.lock("report")));
  expect([error.code, error.retryable, first.held]).toEqual(["SESSION_LOST", true, true]);
});

test("a put that arrives after the lock was released stands in nobody's way", async () => {
  const stage = newStage();
  const [a, b] = [await stage.started("a"), await stage.started("b")];
  const arrive = a.line.delayNext();
  const first = await stage.settled(a.cluster.lock("report"));
  await first.release();
  expect((await arrive()).ok).toBe(false);
  const second = await stage.settled(b.cluster.lock("report", { wait: 0 }));
  expect(second.token).toBeGreaterThan(first.token);
  await second.release();
  // Nor does what keeps it away.
  const third = await stage.settled(a.cluster.lock("report", { wait: 0 }));
  expect(third.token).toBeGreaterThan(second.token);
});

test("a waiter behind one whose put may still arrive has the lock as soon as that one releases it", async () => {
  const stage = newStage();
  const [a, b] = [await stage.started("a"), await stage.started("b")];
  const arrive = a.line.delayNext();
  const first = await stage.settled(a.cluster.lock("report"));
  const waiting = b.cluster.lock("report");
  await stage.pass(100);
  await first.release();
  const before = stage.clock.monotonic();
  const second = await stage.settled(waiting);
  expect(stage.clock.monotonic()).toBe(before);
  expect([second.held, (await arrive()).ok]).toEqual([true, false]);
});

test("a lock that was refused leaves nothing that can still arrive", async () => {
  const stage = newStage();
  const [a, b] = [await stage.started("a"), await stage.started("b")];
  const arrive = a.line.delayNext();
  const transact = a.line.transact;
  let calls = 0;
  a.line.transact = async (compares, writes) => {
    calls += 1;
    if (calls === 2) throw new JobferryError("ACCESS_DENIED", "Not any more.");
    return transact(compares, writes);
  };
  expect((await stage.settled(failure(a.cluster.lock("report")))).code).toBe("ACCESS_DENIED");
  expect((await arrive()).ok).toBe(false);
  const second = await stage.settled(b.cluster.lock("report", { wait: 0 }));
  expect(second.held).toBe(true);
});

test("a release that the store refuses leaves the lock held, and can be asked for again", async () => {
  const stage = newStage();
  const [a, b] = [await stage.started("a"), await stage.started("b")];
  const lock = await stage.settled(a.cluster.lock("report"));
  const { transact } = a.line;
  a.line.transact = () => Promise.reject(new JobferryError("ACCESS_DENIED", "Not now."));
  expect((await stage.settled(failure(lock.release()))).code).toBe("ACCESS_DENIED");
  expect([lock.held, lock.lost.aborted]).toEqual([true, false]);
  expect((await stage.settled(failure(b.cluster.lock("report", { wait: 0 })))).code).toBe("LOCK_BUSY");
  a.line.transact = transact;
  await stage.settled(lock.release());
  expect(lock.held).toBe(false);
  expect((await stage.settled(b.cluster.lock("report", { wait: 0 }))).held).toBe(true);
});

test("a lock whose release was refused is told when its session ends", async () => {
  const stage = newStage();
  const a = await stage.started("a");
  const lock = await stage.settled(a.cluster.lock("report"));
  a.line.transact = () => Promise.reject(new JobferryError("ACCESS_DENIED", "Not now."));
  expect((await stage.settled(failure(lock.release()))).code).toBe("ACCESS_DENIED");
  a.line.cut();
  await stage.pass(3 * TTL);
  expect([lock.held, lock.lost.aborted]).toEqual([false, true]);
});

test("await using releases it", async () => {
  const stage = newStage();
  const { cluster } = await stage.started("a");
  {
    await using lock = await cluster.lock("a");
    expect((await failure(cluster.lock("a", { wait: 0 }))).code).toBe("LOCK_BUSY");
    expect(lock.held).toBe(true);
  }
  const again = await cluster.lock("a", { wait: 0 });
  expect(again.held).toBe(true);
});

test("waiters get it in the order in which they asked", async () => {
  const stage = newStage();
  const nodes = await Promise.all(["a", "b", "c"].map((id) => stage.started(id)));
  const order: number[] = [];
  const work: Promise<void>[] = [];
  for (let n = 0; n < 12; n += 1) {
    const node = nodes[n % 3];
    work.push(
      (async () => {
        await using _lock = await node!.cluster.lock("line");
        order.push(n);
      })(),
    );
    await stage.pass(1);
  }
  await stage.settled(Promise.all(work));
  expect(order).toEqual(Array.from({ length: 12 }, (_, n) => n));
});

test("no thundering herd: 100 wait, one releases, and at most 3 requests reach the store before the next one has it", async () => {
  const stage = newStage();
  const holder = await stage.started("holder");
  const nodes = await Promise.all(Array.from({ length: 10 }, (_, n) => stage.started(`node-${n}`)));
  let lock = await holder.cluster.lock("herd");
  const got: Lock[] = [];
  const stop = new AbortController();
  const wait = async (n: number): Promise<void> => {
    const next = await nodes[n % 10]!.cluster.lock("herd", { signal: stop.signal }).catch(() => undefined);
    if (next !== undefined) got.push(next);
  };
  const waiting = Array.from({ length: 100 }, (_, n) => wait(n));
  await stage.pass(10);
  const lines = [holder, ...nodes].map(({ line }) => line);
  const requests = (): number => lines.reduce((sum, { requests: count }) => sum + count, 0);
  for (let round = 1; round <= 20; round += 1) {
    const before = requests();
    const released = lock.release();
    // Not by the clock: no heartbeat may hide in it or add to it.
    while (got.length < round) await new Promise((resolve) => setImmediate(resolve));
    expect(requests() - before).toBeLessThanOrEqual(3);
    await released;
    lock = got.at(-1) ?? lock;
  }
  stop.abort();
  await lock.release();
  await stage.settled(Promise.all(waiting));
});

describe("giving up", () => {
  test("wait ends in LOCK_BUSY and leaves no place behind", async () => {
    const stage = newStage();
    const [a, b] = [await stage.started("a"), await stage.started("b")];
    const held = await a.cluster.lock("x");
    const error = await stage.settled(failure(b.cluster.lock("x", { wait: "2s" })));
    expect([error.code, error.retryable, error.message]).toEqual(["LOCK_BUSY", true, expect.stringContaining('"x"')]);
    await held.release();
    expect((await a.cluster.lock("x", { wait: 0 })).held).toBe(true);
  });

  test("a signal ends the wait with its reason, and those behind move up", async () => {
    const stage = newStage();
    const [a, b, c] = [await stage.started("a"), await stage.started("b"), await stage.started("c")];
    const held = await a.cluster.lock("x");
    const stop = new AbortController();
    const given = b.cluster.lock("x", { signal: stop.signal }).catch((error: unknown) => error);
    await stage.pass(1);
    const behind = c.cluster.lock("x");
    await stage.pass(1);
    stop.abort(new Error("enough"));
    expect(await stage.settled(given)).toEqual(new Error("enough"));
    expect(held.held).toBe(true);
    await held.release();
    expect((await stage.settled(behind)).held).toBe(true);
  });

  test("an aborted signal takes no place", async () => {
    const stage = newStage();
    const { cluster, line } = await stage.started("a");
    const before = line.requests;
    await expect(cluster.lock("x", { signal: AbortSignal.abort(new Error("no")) })).rejects.toThrow("no");
    expect(line.requests).toBe(before);
  });
});

describe("losing it", () => {
  test("a holder that died: the next has it when its session ended", async () => {
    const stage = newStage();
    const [a, b] = [await stage.started("a"), await stage.started("b")];
    const first = await a.cluster.lock("x");
    a.line.die();
    const next = await stage.settled(b.cluster.lock("x"), TTL * 1.5);
    expect(next.token).toBeGreaterThan(first.token);
  });

  test("a holder that is cut off is told before the next one has it, and its lock is not restored", async () => {
    const stage = newStage();
    const [a, b] = [await stage.started("a"), await stage.started("b")];
    const first = await a.cluster.lock("x");
    let lostAt = Infinity;
    first.lost.addEventListener("abort", () => (lostAt = stage.clock.monotonic()));
    const heal = a.line.cut();
    const next = await stage.settled(b.cluster.lock("x"), TTL * 1.5);
    expect(lostAt).toBeLessThan(stage.clock.monotonic());
    expect(first.lost.reason).toMatchObject({ code: "SESSION_LOST" });
    heal();
    await stage.pass(TTL);
    expect([first.held, next.held, a.cluster.isJoined]).toEqual([false, true, true]);
    await first.release();
    expect(next.held).toBe(true);
  });

  test("who waits through a lost session stands again, at the end", async () => {
    const stage = newStage();
    const [a, b] = [await stage.started("a"), await stage.started("b")];
    const held = await a.cluster.lock("x");
    const waiting = b.cluster.lock("x");
    await stage.pass(1);
    const heal = b.line.cut();
    await stage.pass(TTL * 1.5);
    heal();
    await stage.pass(TTL);
    await held.release();
    expect((await stage.settled(waiting)).held).toBe(true);
  });

  test("a stop tells the holders SHUTDOWN, ends the waits and frees the locks at once", async () => {
    const stage = newStage();
    const [a, b] = [await stage.started("a"), await stage.started("b")];
    const held = await a.cluster.lock("x");
    const short = await a.cluster.lock("y", { ttl: TTL / 2 });
    const other = await b.cluster.lock("z");
    const waiting = failure(a.cluster.lock("z"));
    await stage.pass(1);
    const start = stage.clock.monotonic();
    const next = [b.cluster.lock("x"), b.cluster.lock("y")];
    await stage.pass(0);
    await a.cluster.stop();
    expect((await waiting).code).toBe("SHUTDOWN");
    expect([held.lost.reason.code, short.lost.reason.code]).toEqual(["SHUTDOWN", "SHUTDOWN"]);
    for (const lock of await stage.settled(Promise.all(next))) expect(lock.held).toBe(true);
    expect(stage.clock.monotonic()).toBe(start);
    expect(other.held).toBe(true);
  });
});

test("a lock with a time-out of its own ends by that, and those of one time-out share a session", async () => {
  const stage = newStage();
  const [a, b] = [await stage.started("a"), await stage.started("b")];
  const before = a.line.requests;
  const quick = await a.cluster.lock("quick", { ttl: TTL / 2 });
  expect(a.line.requests - before).toBe(3);
  await a.cluster.lock("quick too", { ttl: TTL / 2 });
  expect(a.line.requests - before).toBe(5);
  const slow = await a.cluster.lock("slow");
  a.line.die();
  expect((await stage.settled(b.cluster.lock("quick"), TTL * 0.6)).token).toBeGreaterThan(quick.token);
  expect((await failure(b.cluster.lock("slow", { wait: 0 }))).code).toBe("LOCK_BUSY");
  expect((await stage.settled(b.cluster.lock("slow"), TTL)).token).toBeGreaterThan(slow.token);
});

test("lockTimeout is the time-out of locks that do not say otherwise; the node itself lives on by electionTimeout", async () => {
  const stage = newStage();
  const a = await stage.started("a", { lockTimeout: TTL / 2, heartbeatInterval: 400 });
  const b = await stage.started("b");
  const first = await a.cluster.lock("x");
  a.line.die();
  expect((await stage.settled(b.cluster.lock("x"), TTL * 0.6)).token).toBeGreaterThan(first.token);
  expect((await b.cluster.nodes()).map(({ id }) => id)).toEqual(["a", "b"]);
});

test("locks of one time-out that are asked for at once share a session, which ends when it was not used for that time", async () => {
  const stage = newStage();
  const a = await stage.started("a");
  const before = a.line.requests;
  const locks = await stage.settled(Promise.all(["x", "y", "z"].map((name) => a.cluster.lock(name, { ttl: TTL / 2 }))));
  expect(a.line.requests - before, "a session, three places, three looks").toBe(7);
  await Promise.all(locks.map((lock) => lock.release()));
  const again = await a.cluster.lock("x", { ttl: TTL / 2 });
  expect(a.line.requests - before, "three releases, a place, a look").toBe(12);
  await again.release();
  await stage.pass(TTL);
  const idle = a.line.requests;
  await stage.pass(TTL);
  expect(a.line.requests - idle, "only the node's own heartbeats are left").toBeLessThanOrEqual(6);
});

test("a session of a lock that was lost is replaced", async () => {
  const stage = newStage();
  const a = await stage.started("a");
  const first = await a.cluster.lock("x", { ttl: TTL / 2 });
  const heal = a.line.cut();
  await stage.pass(TTL / 2);
  expect([first.held, a.cluster.isJoined]).toEqual([false, true]);
  heal();
  const second = await stage.settled(a.cluster.lock("x", { ttl: TTL / 2 }), TTL);
  expect([second.held, second.token > first.token]).toEqual([true, true]);
});

test("an answer that never came is read back: one place, and the lock works", async () => {
  const stage = newStage();
  const [a, b] = [await stage.started("a"), await stage.started("b")];
  a.line.loseNextAnswer();
  const held = await stage.settled(a.cluster.lock("x"));
  const waiting = b.cluster.lock("x");
  await stage.pass(1);
  a.line.loseNextAnswer();
  await stage.settled(held.release());
  expect((await stage.settled(waiting)).held).toBe(true);
});

test("a short cut while it is asked for only delays it", async () => {
  const stage = newStage();
  const [a, b] = [await stage.started("a"), await stage.started("b")];
  const held = await a.cluster.lock("x");
  const waiting = b.cluster.lock("x");
  await stage.pass(1);
  const heal = b.line.cut();
  await held.release();
  const asked = b.cluster.lock("y");
  await stage.pass(TTL / 4);
  heal();
  const got = await stage.settled(Promise.all([waiting, asked]), 2_000);
  expect(got.map((lock) => lock.held)).toEqual([true, true]);
  expect(b.cluster.isJoined).toBe(true);
});

test("a release during a short cut counts when the line is back", async () => {
  const stage = newStage();
  const [a, b] = [await stage.started("a"), await stage.started("b")];
  const held = await a.cluster.lock("x");
  const waiting = b.cluster.lock("x");
  await stage.pass(1);
  const heal = a.line.cut();
  const released = held.release();
  await stage.pass(TTL / 3);
  heal();
  await stage.settled(released, 2_000);
  expect((await stage.settled(waiting, 100)).held).toBe(true);
  expect(a.cluster.isJoined).toBe(true);
});

test("a guarded write in the cluster's own store counts while the lock is held, and never after", async () => {
  const stage = newStage();
  const [a, b] = [await stage.started("a"), await stage.started("b")];
  const write = [{ put: "app/data/x", value: new Uint8Array([1]) }];
  const held = await a.cluster.lock("x");
  expect((await a.line.inner.transact([held.guard], write)).ok).toBe(true);
  a.line.cut();
  await stage.settled(b.cluster.lock("x"), TTL * 2);
  expect((await b.line.inner.transact([held.guard], write)).ok).toBe(false);
});

test.each([
  ["", "INVALID_ARGUMENT"],
  [" x", "INVALID_ARGUMENT"],
  ["ü".repeat(200), "INVALID_ARGUMENT"],
])("the lock name %j is %s, and nothing is written", async (name, code) => {
  const stage = newStage();
  const { cluster, line } = await stage.started("a");
  const before = line.requests;
  expect((await failure(cluster.lock(name))).code).toBe(code);
  expect(line.requests).toBe(before);
});

test.each([{ ttl: 1 }, { ttl: "5d" }, { wait: -1 }, { tll: 5 }, { signal: 5 }])(
  "the options %j are refused",
  async (options) => {
    const stage = newStage();
    const { cluster } = await stage.started("a");
    expect((await failure(cluster.lock("x", options as object))).code).toBe("INVALID_ARGUMENT");
  },
);

test("names that look alike in a key are different locks", async () => {
  const stage = newStage();
  const { cluster } = await stage.started("a");
  for (const name of ["a/b", "a%2Fb", "a", "a b", "a!b", "a(b)", "a'b", "a*b", "日本"])
    expect((await cluster.lock(name, { wait: 0 })).held, name).toBe(true);
});
