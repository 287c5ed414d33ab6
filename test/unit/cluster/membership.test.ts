import { describe, expect, test } from "vitest";
import type { Clock } from "../../../src/contract/index.ts";
import { Cluster } from "../../../src/cluster/index.ts";
import { MemoryCoordination, memoryCoordinationStore } from "../../../src/drivers/memory/coordination-store.ts";
import { JobferryError } from "../../../src/errors/index.ts";
import { silentLogger, sleep } from "../../../src/runtime/index.ts";
import { failure, newStage, TTL } from "./stage.ts";

const ids = (nodes: readonly { id: string }[]): readonly string[] => nodes.map(({ id }) => id);

describe("nodes", () => {
  test("are listed with what they tell, and events say who came and went", async () => {
    const stage = newStage();
    const a = await stage.started("a", { info: { zone: "x" } });
    const seen: string[] = [];
    a.cluster.on("joined", ({ node }) => seen.push(`+${node.id}`));
    a.cluster.on("left", ({ node }) => seen.push(`-${node.id}`));
    const b = await stage.started("b");
    b.cluster.setLoad({ jobs: 3 });
    await stage.pass(600);
    expect(await a.cluster.nodes()).toEqual([
      { id: "a", startedAt: stage.clock.now() - 600, info: { zone: "x" }, load: null, self: true },
      { id: "b", startedAt: expect.any(Number), load: { jobs: 3 }, self: false },
    ]);
    await b.cluster.stop();
    await stage.pass(0);
    expect(ids(await a.cluster.nodes())).toEqual(["a"]);
    expect(seen).toEqual(["+b", "-b"]);
  });

  test("a load that arrives late does not take the place of a newer one", async () => {
    const stage = newStage();
    const a = await stage.started("a");
    const loads = async (): Promise<readonly unknown[]> => (await a.cluster.nodes()).map(({ load }) => load);
    const arrive = a.line.delayNext();
    a.cluster.setLoad({ jobs: 1 });
    await stage.pass(600);
    a.cluster.setLoad({ jobs: 2 });
    await stage.pass(600);
    expect(await loads()).toEqual([{ jobs: 2 }]);
    await arrive();
    expect(await loads()).toEqual([{ jobs: 2 }]);
    // And one that arrives before it does not keep it from being told.
    const early = a.line.delayNext();
    a.cluster.setLoad({ jobs: 3 });
    await stage.pass(600);
    await early();
    a.cluster.setLoad({ jobs: 4 });
    await stage.pass(1_200);
    expect(await loads()).toEqual([{ jobs: 4 }]);
  });

  test("load that changes often is told with the heartbeat, once", async () => {
    const stage = newStage();
    const a = await stage.started("a");
    const before = a.line.requests;
    for (let n = 0; n < 50; n += 1) a.cluster.setLoad({ n });
    await stage.pass(499);
    expect(a.line.requests).toBe(before);
    await stage.pass(1);
    expect(a.line.requests - before).toBeLessThanOrEqual(2);
    expect((await a.cluster.nodes())[0]?.load).toEqual({ n: 49 });
  });

  test("one that died is gone within its time-out and a half", async () => {
    const stage = newStage();
    const [a, b] = [await stage.started("a"), await stage.started("b")];
    b.line.die();
    await stage.pass(TTL * 1.5);
    expect(ids(await a.cluster.nodes())).toEqual(["a"]);
  });

  test("one that was cut off joins again under a new session and says so", async () => {
    const stage = newStage();
    const [a, b] = [await stage.started("a"), await stage.started("b")];
    const events: string[] = [];
    b.cluster.on("lost", ({ reason }) => events.push(`lost ${reason.code}`));
    b.cluster.on("rejoined", ({ nodeId }) => events.push(`rejoined ${nodeId}`));
    const session = async (): Promise<unknown> => {
      const entry = await a.line.inner.get("jobferry/nodes/b");
      return (JSON.parse(new TextDecoder().decode(entry?.value)) as { session: string }).session;
    };
    const before = await session();
    const heal = b.line.cut();
    await stage.pass(TTL * 2);
    expect([events, b.cluster.isJoined]).toEqual([["lost SESSION_LOST"], false]);
    heal();
    await stage.pass(TTL);
    expect([events, b.cluster.isJoined]).toEqual([["lost SESSION_LOST", "rejoined b"], true]);
    expect(ids(await a.cluster.nodes())).toEqual(["a", "b"]);
    expect(await session()).not.toBe(before);
    expect(b.errors.every(({ retryable }) => retryable)).toBe(true);
  });

  test("one whose new session came too late to count asks for another one at once", async () => {
    const stage = newStage();
    const b = await stage.started("b");
    const heal = b.line.cut();
    await stage.pass(TTL * 2);
    const { inner } = b.line;
    let asked = 0;
    b.line.openSession = async (ttlMs) => {
      const session = await inner.openSession(ttlMs);
      asked += 1;
      if (asked === 1) await sleep(stage.clock, TTL);
      return session;
    };
    heal();
    await stage.pass(TTL * 2.5);
    expect([asked, b.cluster.isJoined]).toEqual([2, true]);
  });

  test("one whose session is lost while it says that it is back joins once more, not twice", async () => {
    const stage = newStage();
    let skewMs = 0;
    const { clock } = stage;
    const monotonic = (): number => clock.monotonic() + skewMs;
    const timer: Clock["timer"] = (delayMs, fire) => clock.timer(delayMs, fire);
    const b = await stage.started("b", {
      clock: { now: () => clock.now(), random: () => clock.random(), monotonic, timer },
    });
    const { inner } = b.line;
    let opened = 0;
    b.line.openSession = (ttlMs) => {
      opened += 1;
      return inner.openSession(ttlMs);
    };
    const joined: boolean[] = [];
    b.cluster.on("rejoined", () => {
      if (opened === 1) skewMs += TTL;
      joined.push(b.cluster.isJoined);
    });
    await inner.transact([], [{ delete: "jobferry/nodes/b" }]);
    skewMs += TTL;
    await stage.pass(TTL * 2);
    expect([opened, joined, b.cluster.isJoined]).toEqual([2, [false, true], true]);
  });

  test("one whose renewals fail for less than its time-out stays", async () => {
    const stage = newStage();
    const a = await stage.started("a");
    let lost = 0;
    a.cluster.on("lost", () => (lost += 1));
    const heal = a.line.cut();
    await stage.pass(TTL / 2);
    heal();
    await stage.pass(TTL * 3);
    expect([lost, a.cluster.isJoined]).toEqual([0, true]);
  });
});

describe("a node id", () => {
  test("that is alive is NODE_ID_TAKEN, and nothing of the second node is left", async () => {
    const stage = newStage();
    const first = await stage.started("same");
    const second = stage.node("same", { joinTimeout: TTL * 1.5 });
    const error = await stage.settled(failure(second.cluster.start()));
    expect([error.code, error.message]).toEqual(["NODE_ID_TAKEN", expect.stringContaining('"same"')]);
    expect((await failure(second.cluster.lock("x"))).code).toBe("NOT_OPEN");
    expect(first.cluster.isJoined).toBe(true);
    expect(ids(await first.cluster.nodes())).toEqual(["same"]);
    const third = await stage.started("other");
    expect(ids(await third.cluster.nodes())).toEqual(["other", "same"]);
  });

  test("of a node that crashed is taken over when its session has ended", async () => {
    const stage = newStage();
    const first = await stage.started("same");
    first.line.die();
    const told: string[] = [];
    const logger = { ...silentLogger, warn: (_: object, message: string) => void told.push(message) };
    const second = stage.node("same", { logger });
    await stage.settled(second.cluster.start(), TTL * 1.5);
    expect(second.cluster.isJoined).toBe(true);
    // Once, and not to those whose id is free.
    expect(told).toEqual([expect.stringContaining('Another node has the id "same"')]);
    await stage.settled(stage.node("free", { logger }).cluster.start());
    expect(told).toHaveLength(1);
  });

  test("that was taken over meanwhile is not taken back: the sleeper says NODE_ID_TAKEN and stays out", async () => {
    const stage = newStage();
    const first = await stage.started("same", { joinTimeout: TTL });
    const heal = first.line.cut();
    const second = stage.node("same");
    await stage.settled(second.cluster.start(), TTL * 2);
    heal();
    await stage.pass(TTL * 3);
    expect([first.cluster.isJoined, second.cluster.isJoined]).toEqual([false, true]);
    expect(first.errors.map(({ code }) => code)).toContain("NODE_ID_TAKEN");
  });

  test("is registered once when the answer is lost", async () => {
    const stage = newStage();
    const node = stage.node("a");
    node.line.loseNextAnswer();
    await stage.settled(node.cluster.start());
    expect(ids(await node.cluster.nodes())).toEqual(["a"]);
  });
});

describe("what the store does not take", () => {
  const refused = (code: "ACCESS_DENIED" | "UNAVAILABLE"): JobferryError =>
    new JobferryError(code, "The put was refused.", { retryable: code === "UNAVAILABLE" });

  test("is refused at construction (info) and at the call (load), and says which", async () => {
    const stage = newStage();
    const tooMuch = "x".repeat(1_048_576);
    expect(() => stage.node("a", { info: tooMuch })).toThrow(
      expect.objectContaining({ code: "PAYLOAD_TOO_LARGE", message: expect.stringContaining("this info has") }),
    );
    const a = await stage.started("a", { info: "y".repeat(500_000) });
    a.cluster.setLoad({ jobs: 1 });
    expect(() => a.cluster.setLoad("z".repeat(600_000))).toThrow(
      expect.objectContaining({ code: "PAYLOAD_TOO_LARGE", message: expect.stringContaining("this load has") }),
    );
    await stage.pass(600);
    expect((await a.cluster.nodes())[0]?.load).toEqual({ jobs: 1 });
    expect(a.errors).toEqual([]);
  });

  test.each(["ACCESS_DENIED", "UNAVAILABLE"] as const)(
    "%s: the start says so, not that the id was taken, and leaves nothing",
    async (code) => {
      const stage = newStage();
      const node = stage.node("a");
      node.line.failTransacts(refused(code));
      const began = stage.clock.monotonic();
      const error = await stage.settled(failure(node.cluster.start()));
      expect([error.code, error.message]).toEqual([code, "The put was refused."]);
      // Only what is worth repeating is tried until the time of the join is over.
      expect(stage.clock.monotonic() - began).toBeLessThan(code === "ACCESS_DENIED" ? 100 : TTL * 2);
      const other = await stage.started("b");
      expect(ids(await other.cluster.nodes())).toEqual(["b"]);
    },
  );
});

describe("starting and stopping", () => {
  test("a store that cannot be reached fails the start, and another one may follow", async () => {
    const stage = newStage();
    const node = stage.node("a");
    node.line.cut();
    const error = await stage.settled(failure(node.cluster.start()));
    expect([error.code, error.retryable]).toEqual(["UNAVAILABLE", true]);
    expect(node.cluster.isJoined).toBe(false);
  });

  test("calls before start are NOT_OPEN, after stop CLOSED; stop is idempotent", async () => {
    const stage = newStage();
    const { cluster } = stage.node("a");
    const calls = (): readonly Promise<unknown>[] => [
      cluster.lock("x"),
      cluster.elect(),
      cluster.nodes(),
      cluster.broadcast("t", 1),
      cluster.subscribe("t", () => undefined),
    ];
    for (const call of calls()) expect((await failure(call)).code).toBe("NOT_OPEN");
    expect(await cluster.start()).toBe(cluster);
    expect(await cluster.start()).toBe(cluster);
    await Promise.all([cluster.stop(), cluster.stop()]);
    await cluster.stop();
    for (const call of calls()) expect((await failure(call)).code).toBe("CLOSED");
    expect((await failure(cluster.start())).code).toBe("CLOSED");
  });

  test("a stop during the start leaves nothing", async () => {
    const stage = newStage();
    const [a, b] = [stage.node("a"), await stage.started("b")];
    const starting = a.cluster.start();
    await Promise.all([a.cluster.stop(), starting]);
    expect(ids(await b.cluster.nodes())).toEqual(["b"]);
  });

  test("a stop while the store is away ends, and says what failed", async () => {
    const stage = newStage();
    const a = await stage.started("a");
    await a.cluster.elect();
    await a.cluster.lock("x");
    a.line.cut();
    await stage.settled(a.cluster.stop());
    expect(a.errors.map(({ code }) => code)).toContain("UNAVAILABLE");
  });
});

test("a stop while the store hangs ends after the time-out, and says so", async () => {
  const stage = newStage();
  const a = await stage.started("a");
  a.line.hang();
  const start = stage.clock.monotonic();
  await stage.settled(a.cluster.stop(), TTL * 2);
  expect(stage.clock.monotonic() - start).toBeLessThanOrEqual(TTL + 20);
  expect(a.errors.at(-1)).toMatchObject({ code: "UNAVAILABLE", message: expect.stringContaining("did not confirm") });
});

describe("times that cannot work together are refused at construction", () => {
  const store = memoryCoordinationStore(new MemoryCoordination());
  test.each([
    [{ nodeId: "a", electionTimeout: 3_000, heartbeatInterval: 1_000 }, /below a third/],
    [{ nodeId: "a", lockTimeout: 1_500, heartbeatInterval: 600 }, /below a third/],
    [
      { nodeId: "a", logger: { warn: () => undefined } },
      /logger.* with the methods debug, info, warn, error; missing: debug, info, error/,
    ],
    [{ nodeId: "a", logger: null }, /logger is null; it must be an object with the methods/],
    [{ nodeId: "a", clock: {} }, /clock.* with the methods now, monotonic, timer, random/],
    [{ nodeId: "a", electionTimeout: 5 }, /electionTimeout is 5; .*from 10 to/],
    [{ nodeId: "a", electionTimeout: "2d" }, /electionTimeout/],
    [{ nodeId: "a", lockTimeout: 1 }, /lockTimeout/],
    [{ nodeId: "a", heartbeatInterval: 0 }, /heartbeatInterval/],
    [{ nodeId: "" }, /nodeId/],
    [{ nodeId: "日".repeat(200) }, /node id makes a key of/],
    [{ nodeId: "a", name: "" }, /name/],
    [{ nodeId: "a", heartbeatIntervall: 5 }, /Did you mean "heartbeatInterval"/],
    [{ nodeId: "a", maxMessages: 0 }, /maxMessages/],
    [{ nodeId: "a", info: new Map() }, /Map|convert/],
  ])("%j", (options, message) => {
    expect(() => new Cluster(store, options as never)).toThrow(message);
  });

  test("the defaults fit the store's minimum", () => {
    const slow = { ...store.capabilities, session: { ...store.capabilities.session, minTtlMs: 30_000 } };
    const demanding = Object.create(store, { capabilities: { value: slow } }) as typeof store;
    expect(() => new Cluster(demanding, { nodeId: "a" })).not.toThrow();
    expect(() => new Cluster(demanding, { nodeId: "a", electionTimeout: "10s" })).toThrow(/from 30000/);
  });
});

test("two clusters of different names share a store and nothing else", async () => {
  const stage = newStage();
  const [a, b] = [await stage.started("a", { name: "one" }), await stage.started("a", { name: "two" })];
  expect((await a.cluster.lock("x")).held && (await b.cluster.lock("x", { wait: 0 })).held).toBe(true);
  const [left, right] = [await a.cluster.elect(), await b.cluster.elect()];
  await stage.pass(0);
  expect([left.isLeader, right.isLeader, (await a.cluster.nodes()).length]).toEqual([true, true, 1]);
});
