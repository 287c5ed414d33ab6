import { describe, expect, test } from "vitest";
import type { Gap, Message } from "../../../src/cluster/index.ts";
import { failure, newStage, TTL } from "./stage.ts";

const KEEP = 10_000;
const data = (messages: readonly Message[]): readonly unknown[] => messages.map((message) => message.data);

test("a broadcast reaches every subscriber once, in order, also the sender, with who sent it", async () => {
  const stage = newStage();
  const nodes = [await stage.started("a"), await stage.started("b"), await stage.started("c")];
  const got = nodes.map(() => [] as Message[]);
  for (const [index, { cluster }] of nodes.entries()) await cluster.subscribe("news", (m) => got[index]!.push(m));
  const numbers = [];
  for (let n = 0; n < 10; n += 1) numbers.push(await nodes[n % 3]!.cluster.broadcast("news", { n }));
  await stage.pass(0);
  for (const list of got) {
    expect(data(list)).toEqual(Array.from({ length: 10 }, (_, n) => ({ n })));
    expect(list.map(({ number }) => number)).toEqual(numbers);
    expect(list.map(({ from }) => from).slice(0, 3)).toEqual(["a", "b", "c"]);
    expect(list[0]?.sentAt).toBe(stage.clock.now());
  }
});

test("a new subscriber gets what is sent from then on, and other topics are not heard", async () => {
  const stage = newStage();
  const { cluster } = await stage.started("a");
  await cluster.broadcast("news", "before");
  const got: Message[] = [];
  await cluster.subscribe("news", (message) => got.push(message));
  await cluster.broadcast("other", "elsewhere");
  await cluster.broadcast("news", "after");
  await stage.pass(0);
  expect(data(got)).toEqual(["after"]);
});

test("a subscriber that comes back with its cursor gets what was sent meanwhile", async () => {
  const stage = newStage();
  const [a, b] = [await stage.started("a", { keepMessages: KEEP }), await stage.started("b", { keepMessages: KEEP })];
  const got: Message[] = [];
  const first = await b.cluster.subscribe("news", (message) => got.push(message));
  await a.cluster.broadcast("news", 1);
  await stage.pass(0);
  await first.close();
  for (const n of [2, 3]) await a.cluster.broadcast("news", n);
  await stage.pass(KEEP / 2);
  const gaps: Gap[] = [];
  await b.cluster.subscribe("news", (message) => got.push(message), {
    from: first.cursor,
    onGap: (gap) => gaps.push(gap),
  });
  await stage.pass(0);
  expect([data(got), gaps]).toEqual([[1, 2, 3], []]);
});

test("who was away for longer than messages are kept is told the gap, and gets the rest", async () => {
  const stage = newStage();
  const [a, b] = [await stage.started("a", { keepMessages: KEEP }), await stage.started("b", { keepMessages: KEEP })];
  const from = await a.cluster.broadcast("news", 0);
  const missed = await a.cluster.broadcast("news", 1);
  await stage.pass(KEEP * 1.6);
  await a.cluster.broadcast("news", 2);
  const got: Message[] = [];
  const gaps: Gap[] = [];
  await b.cluster.subscribe("news", (message) => got.push(message), { from, onGap: (gap) => gaps.push(gap) });
  await stage.pass(0);
  expect(gaps).toEqual([{ topic: "news", after: from, upTo: missed }]);
  expect(data(got)).toEqual([2]);
});

test("a node that was cut off gets what was sent meanwhile, once", async () => {
  const stage = newStage();
  const [a, b] = [await stage.started("a"), await stage.started("b")];
  const got: Message[] = [];
  await b.cluster.subscribe("news", (message) => got.push(message));
  await a.cluster.broadcast("news", 1);
  await stage.pass(0);
  const heal = b.line.cut();
  for (const n of [2, 3, 4]) await a.cluster.broadcast("news", n);
  await stage.pass(8_000);
  heal();
  await stage.pass(3_000);
  expect(data(got)).toEqual([1, 2, 3, 4]);
});

test("a message whose answer is lost is sent once", async () => {
  const stage = newStage();
  const a = await stage.started("a");
  const got: Message[] = [];
  await a.cluster.subscribe("news", (message) => got.push(message));
  a.line.loseNextAnswer();
  const number = await stage.settled(a.cluster.broadcast("news", 1));
  await stage.pass(0);
  expect(got.map((message) => message.number)).toEqual([number]);
});

test("messages go when they are old, whoever sent them, and the store does not grow", async () => {
  const stage = newStage();
  const [a, b] = [await stage.started("a", { keepMessages: KEEP }), await stage.started("b", { keepMessages: KEEP })];
  await b.cluster.subscribe("news", () => undefined);
  for (let n = 0; n < 30; n += 1) {
    await a.cluster.broadcast("news", n);
    await stage.pass(1_000);
  }
  const kept = async (): Promise<number> => (await b.line.inner.list("jobferry/bus/news/")).entries.length - 1;
  expect(await kept()).toBeGreaterThanOrEqual(9);
  expect(await kept()).toBeLessThan(17);
  await a.cluster.stop();
  await stage.pass(KEEP * 2);
  expect(await kept()).toBe(0);
});

test("more than maxMessages are not kept, and a slow subscriber is told the gap instead of piling them up", async () => {
  const stage = newStage();
  const a = await stage.started("a", { maxMessages: 20 });
  const got: Message[] = [];
  const gaps: Gap[] = [];
  let slow = true;
  await a.cluster.subscribe(
    "news",
    async (message) => {
      got.push(message);
      while (slow) await stage.pass(1);
    },
    { onGap: (gap) => gaps.push(gap) },
  );
  const numbers = [];
  for (let n = 0; n < 100; n += 1) numbers.push(await a.cluster.broadcast("news", n));
  expect((await a.line.inner.list("jobferry/bus/news/")).entries.length).toBeLessThanOrEqual(23);
  slow = false;
  await stage.pass(10);
  expect(gaps.length).toBeGreaterThan(0);
  const told = numbers.filter(
    (number) =>
      got.some((message) => message.number === number) ||
      gaps.some(({ after, upTo }) => number > after && number <= upTo),
  );
  expect(told, "every message is given or told as missed").toEqual(numbers);
  expect(got.at(-1)?.data).toBe(99);
});

test("what a handler throws is told, and the next message comes", async () => {
  const stage = newStage();
  const a = await stage.started("a");
  const got: unknown[] = [];
  await a.cluster.subscribe("news", (message) => {
    got.push(message.data);
    if (message.data === 1) throw new Error("no");
  });
  for (const n of [1, 2]) await a.cluster.broadcast("news", n);
  await stage.pass(0);
  expect(got).toEqual([1, 2]);
  expect(a.errors.map(({ code, message }) => [code, message])).toEqual([["UNEXPECTED", expect.stringContaining("no")]]);
});

test("after close nothing comes, and close waits for the handler that runs", async () => {
  const stage = newStage();
  const a = await stage.started("a");
  let running = 0;
  let release = (): void => undefined;
  const subscription = await a.cluster.subscribe("news", async () => {
    running += 1;
    await new Promise<void>((resolve) => (release = resolve));
    running -= 1;
  });
  await a.cluster.broadcast("news", 1);
  await a.cluster.broadcast("news", 2);
  await stage.pass(0);
  const closing = subscription.close();
  expect(running).toBe(1);
  release();
  await stage.settled(closing);
  await stage.pass(100);
  expect(running).toBe(0);
});

test("a topic that nobody uses any more is not watched any more, and can be used again", async () => {
  const stage = newStage();
  const a = await stage.started("a", { keepMessages: KEEP });
  for (let n = 0; n < 20; n += 1) await a.cluster.broadcast(`topic ${n}`, n);
  await stage.pass(KEEP * 2);
  const before = a.line.requests;
  await stage.pass(KEEP);
  expect(a.line.requests - before, "heartbeats only").toBeLessThanOrEqual(KEEP / 500 + 1);
  const got: Message[] = [];
  const subscription = await a.cluster.subscribe("topic 3", (message) => got.push(message));
  await a.cluster.broadcast("topic 3", "again");
  await stage.pass(0);
  await subscription.close();
  expect(data(got)).toEqual(["again"]);
});

describe("bad input is refused before anything is stored", () => {
  test.each([
    ["a Map", "news", new Map(), "PAYLOAD_INVALID"],
    ["a bigint inside", "news", { n: 1n }, "PAYLOAD_INVALID"],
    ["too much", "news", "x".repeat(1_100_000), "PAYLOAD_TOO_LARGE"],
    ["no topic", "", 1, "INVALID_ARGUMENT"],
    ["a topic that is too long", "日".repeat(190), 1, "INVALID_ARGUMENT"],
  ])("%s", async (_what, topic, message, code) => {
    const stage = newStage();
    const a = await stage.started("a");
    const before = a.line.requests;
    expect((await failure(a.cluster.broadcast(topic, message))).code).toBe(code);
    expect(a.line.requests).toBe(before);
  });

  test.each([
    [undefined, {}],
    [(): void => undefined, { from: 5 }],
    [(): void => undefined, { form: 5n }],
  ])("subscribe %#", async (handler, options) => {
    const stage = newStage();
    const a = await stage.started("a");
    expect((await failure(a.cluster.subscribe("news", handler as never, options as never))).code).toBe(
      "INVALID_ARGUMENT",
    );
  });
});

test("bytes of somebody else in the mark of what is gone are passed over, as in messages", async () => {
  const stage = newStage();
  const a = await stage.started("a");
  const heard: unknown[] = [];
  await stage.settled(a.cluster.subscribe("news", ({ data }) => void heard.push(data)));
  await stage.settled(a.cluster.broadcast("news", 1));
  const mark = { put: "jobferry/bus/news/~pruned", value: new TextEncoder().encode("what?") };
  expect(await stage.settled(a.line.inner.transact([], [mark]))).toMatchObject({ ok: true });
  await stage.pass(1_000);
  await stage.settled(a.cluster.broadcast("news", 2));
  await stage.pass(1_000);
  expect(heard).toEqual([1, 2]);
});

test("old messages that cannot be removed, because the store is away, are tried again about once a second", async () => {
  const stage = newStage();
  const a = await stage.started("a", { keepMessages: "1s" });
  await stage.settled(a.cluster.subscribe("news", () => undefined));
  await stage.settled(a.cluster.broadcast("news", 1));
  const heal = a.line.cut();
  await stage.pass(10_000);
  const tries = a.errors.filter(({ message }) => message.includes("cut")).length;
  expect(tries).toBeGreaterThan(5);
  expect(tries).toBeLessThan(60);
  heal();
  await stage.pass(TTL);
  const kept = (await a.line.inner.list("jobferry/bus/news/")).entries.map(({ key }) => key);
  expect(kept).toEqual([expect.stringContaining("~pruned")]);
});
