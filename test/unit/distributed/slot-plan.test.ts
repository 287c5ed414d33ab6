import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ClusterNode } from "../../../src/cluster/index.ts";
import { loadOf, offerOf, weightsOf } from "../../../src/distributed/node-load.ts";
import { isNewer, planJson, readPlan, type PlanRecord } from "../../../src/distributed/plan-record.ts";
import { QueuePreference } from "../../../src/distributed/queue-preference.ts";
import { planSlots, type Demand, type PlanNode, type SlotPlan } from "../../../src/distributed/slot-plan.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";

const node = (id: string, slots: number, ...queues: string[]): PlanNode => ({ id, slots, queues });
const demand = (queue: string, weight = 1, pending = 0): Demand => ({ queue, weight, pending });
const totals = (plan: SlotPlan): Readonly<Record<string, number>> => {
  const sums: Record<string, number> = {};
  for (const slots of plan.values()) for (const [queue, n] of slots) sums[queue] = (sums[queue] ?? 0) + n;
  return sums;
};

describe("strategies", () => {
  const nodes = [node("a", 6, "x", "y"), node("b", 6, "x", "y")];

  test("balanced gives every queue the same", () => {
    expect(totals(planSlots(nodes, [demand("x", 5, 100), demand("y")], "balanced"))).toEqual({ x: 6, y: 6 });
  });

  test("weighted divides by the weights", () => {
    expect(totals(planSlots(nodes, [demand("x", 3, 0), demand("y", 1, 900)], "weighted"))).toEqual({ x: 9, y: 3 });
  });

  test("auto follows the backlog, and leaves every queue a slot", () => {
    expect(totals(planSlots(nodes, [demand("x", 1, 900), demand("y", 1, 0)], "auto"))).toEqual({ x: 9, y: 3 });
    expect(totals(planSlots(nodes, [demand("x"), demand("y")], "auto"))).toEqual({ x: 6, y: 6 });
  });

  test("a node gets only what it serves, and slots go where they are", () => {
    const mixed = [node("big", 8, "x", "y"), node("small", 2, "y"), node("idle", 4, "z")];
    const plan = planSlots(mixed, [demand("x"), demand("y")], "balanced");
    expect([...(plan.get("small") ?? [])]).toEqual([["y", 2]]);
    expect([...(plan.get("idle") ?? [])]).toEqual([]);
    expect(totals(plan)).toEqual({ x: 5, y: 5 });
  });
});

test("the plan of a very large cluster is made at once, and still gives every slot away", () => {
  const nodes = Array.from({ length: 50 }, (_, n) => node(`node-${n}`, 100_000, "x", "y"));
  const begin = performance.now();
  const { x = 0, y = 0 } = totals(planSlots(nodes, [demand("x", 3), demand("y")], "weighted"));
  expect(x + y).toBe(5_000_000);
  expect(Math.abs(x - 3_750_000)).toBeLessThanOrEqual(1_000);
  expect(performance.now() - begin).toBeLessThan(1_000);
});

describe("what nodes tell of themselves", () => {
  const told = (load: unknown): ClusterNode => ({ id: "n", startedAt: 0, info: undefined, load, self: false });

  test("is read back as it was told", () => {
    const load = loadOf(
      4,
      new Map([
        ["x", 3],
        ["y", 1],
      ]),
    );
    expect(load).toEqual({ slots: 4, queues: ["x", "y"], weights: { x: 3 } });
    expect(offerOf(told(load))).toEqual({ id: "n", slots: 4, queues: ["x", "y"] });
    expect(weightsOf([told(load), told(loadOf(1, new Map([["x", 5]])))])).toEqual(new Map([["x", 5]]));
  });

  test.each([null, 7, {}, { slots: -1, queues: [] }, { slots: Infinity, queues: ["x"] }, { slots: 1, queues: "x" }])(
    "is no offer: %j",
    (load) => {
      expect(offerOf(told(load))).toBeUndefined();
      expect(weightsOf([told(load), told({ weights: { x: -1, y: "9" } })]).size).toBe(0);
    },
  );

  test("counts whole slots and queues that are names", () => {
    expect(offerOf(told({ slots: 2.9, queues: ["x", 7] }))).toEqual({ id: "n", slots: 2, queues: ["x"] });
  });
});

test("any plan: no node above its slots or outside of its queues, no slot idle that could serve, and a slot for every queue where there is room", () => {
  const queue: fc.Arbitrary<string> = fc.constantFrom("p", "q", "r", "s");
  const nodes = fc.uniqueArray(
    fc.record({
      id: fc.constantFrom("a", "b", "c", "d", "e"),
      slots: fc.nat(9),
      queues: fc.uniqueArray(queue, { maxLength: 4 }),
    }),
    { selector: ({ id }) => id },
  );
  const demands = fc.uniqueArray(fc.record({ queue, weight: fc.integer({ min: 1, max: 9 }), pending: fc.nat(1_000) }), {
    selector: (one) => one.queue,
  });
  fc.assert(
    fc.property(nodes, demands, fc.constantFrom("balanced", "weighted", "auto"), (offers, wanted, strategy) => {
      const plan = planSlots(offers, wanted, strategy);
      const known = new Set(wanted.map((one) => one.queue));
      for (const { id, slots, queues } of offers) {
        const mine = plan.get(id) ?? new Map<string, number>();
        const given = [...mine.values()].reduce((sum, n) => sum + n, 0);
        const serves = queues.some((one) => known.has(one));
        expect(given).toBe(serves ? slots : 0);
        for (const one of mine.keys()) expect(queues.includes(one) && known.has(one)).toBe(true);
      }
      const sums = totals(plan);
      const enough = offers.every(({ slots }) => slots >= known.size);
      for (const one of known) {
        const isServed = offers.some(({ slots, queues }) => slots > 0 && queues.includes(one));
        if (enough && isServed) expect(sums[one] ?? 0, one).toBeGreaterThan(0);
      }
      expect(
        planSlots(offers.toReversed(), wanted.toReversed(), strategy),
        "the order of the input changes nothing",
      ).toEqual(plan);
    }),
  );
});

const record = (
  term: bigint,
  number: number,
  queues: Readonly<Record<string, number>>,
  validForMs = 1_000,
): PlanRecord => ({
  term,
  number,
  validForMs,
  slots: new Map([["me", new Map(Object.entries(queues))]]),
});

describe("a plan on its way", () => {
  test("comes back as it was", () => {
    const plan = record(2n ** 60n, 7, { x: 2, y: 1 });
    expect(readPlan(JSON.parse(JSON.stringify(planJson(plan))) as Record<string, unknown>)).toEqual(plan);
  });

  test.each([
    {},
    { term: 5 },
    { term: "-1", number: 1, validForMs: 1, nodes: [] },
    { term: "1", number: 1, validForMs: 0, nodes: [] },
  ])("what is none is ignored: %j", (value) => expect(readPlan(value)).toBeUndefined());

  test("is newer by term, then by number", () => {
    expect(isNewer(record(2n, 1, {}), record(1n, 9, {}))).toBe(true);
    expect(isNewer(record(2n, 2, {}), record(2n, 1, {}))).toBe(true);
    expect([isNewer(record(2n, 1, {}), record(2n, 1, {})), isNewer(record(1n, 9, {}), record(2n, 1, {}))]).toEqual([
      false,
      false,
    ]);
  });
});

describe("the order in which a node asks its queues", () => {
  const make = (): { preference: QueuePreference; clock: ReturnType<typeof virtualClock> } => {
    const clock = virtualClock();
    return { clock, preference: new QueuePreference("me", ["x", "y", "z"], () => ["x", "y", "z"], clock) };
  };

  test("is drawn by the slots, and a queue without slots here is seldom first and never forgotten", () => {
    const { preference } = make();
    preference.take(record(1n, 1, { y: 3, z: 1 }));
    const orders = Array.from({ length: 2_000 }, () => preference.order());
    for (const order of orders) expect(order.toSorted()).toEqual(["x", "y", "z"]);
    const first = (queue: string): number => orders.filter(([one]) => one === queue).length / 2_000;
    expect(first("y")).toBeGreaterThan(0.68);
    expect(first("y")).toBeLessThan(0.78);
    expect(first("x")).toBeGreaterThan(0.01);
    expect(first("x")).toBeLessThan(0.05);
  });

  test("is the node's own without a plan, and again when the plan's time is over", async () => {
    const { preference, clock } = make();
    expect(preference.order()).toEqual(["x", "y", "z"]);
    preference.take(record(1n, 1, { z: 1_000 }));
    expect(preference.order()[0]).toBe("z");
    await clock.advance(1_000);
    expect(preference.order()).toEqual(["x", "y", "z"]);
  });

  test("ignores a lower term or number, and a plan without this node", () => {
    const { preference } = make();
    preference.take(record(2n, 5, { z: 1_000 }));
    preference.take(record(1n, 9, { y: 1 }));
    preference.take(record(2n, 5, { y: 1 }));
    expect(preference.order()[0]).toBe("z");
    preference.take({ ...record(3n, 1, {}), slots: new Map([["other", new Map([["y", 1]])]]) });
    expect(preference.order()).toEqual(["x", "y", "z"]);
  });
});
