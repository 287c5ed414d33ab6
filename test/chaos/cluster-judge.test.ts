/** The judge of clusters finds what it is for. */
import { expect, test } from "vitest";
import { hasFault } from "./cluster-faults.ts";
import { HAND_OVER, judgeHandOvers, judgeWaits, judgeWrites } from "./cluster-judge.ts";
import { ledAfter } from "./cluster-register.ts";

const elected = [
  { at: 100, node: "a", term: 5 },
  { at: 900, node: "b", term: 8 },
];
const write = (at: number, node: string, term: number, accepted = 1, believed = 1) => ({
  ...{ at, node, term, accepted, believed },
});

test("leaders one after the other, and a late write that is refused, are right", () => {
  const writes = [write(200, "a", 5), write(850, "a", 5), write(950, "b", 8), write(1_000, "a", 5, 0, 0)];
  expect(judgeWrites(writes, elected)).toEqual([]);
});

test.each([
  ["an old term that is accepted", [write(950, "b", 8), write(960, "a", 5, 1, 0)], elected, "after 8 was accepted"],
  ["two who believe that they lead", [write(950, "b", 8), write(960, "a", 5, 0, 1)], elected, "believed to lead 60 ms"],
  ["one term in two hands", [write(200, "a", 5), write(210, "c", 5)], elected, "a was given"],
  ["a term that does not rise", [], [...elected, { at: 990, node: "c", term: 8 }], "elected with term 8 after b had 8"],
])("finds %s", (_, writes, leaders, why) => {
  expect(judgeWrites(writes, leaders).map((found) => found.why)).toEqual([expect.stringContaining(why)]);
});

const election = (fault: string, ms: number) => ({
  ...{ fault, what: "a new leader", from: 5_000, ms, boundMs: 1_500, without: "a" },
});

test("finds an election that took too long, or never came", () => {
  const elections = [election("killLeader", 1_400), election("partLeader", 1_600), election("freezeLeader", Infinity)];
  expect(judgeWaits(elections, 1_000, new Map()).map(({ id }) => id)).toEqual(["partLeader", "freezeLeader"]);
});

test("an election does not count while a node that could lead stood still; that the old leader did, or somebody before, excuses nothing", () => {
  const judged = (node: string, from: number, until: number) =>
    judgeWaits([election("killLeader", 2_000)], 1_000, new Map([[node, [{ from, until }]]])).length;
  expect(judged("b", 5_500, 6_200)).toBe(0);
  expect(judged("b", 5_500, 5_900)).toBe(1);
  expect(judged("b", 3_000, 4_900)).toBe(1);
  expect(judged("a", 5_500, 6_200)).toBe(1);
});

test("finds that no hand-over of a run was short, once there were enough of them", () => {
  const judged = (...took: number[]) =>
    judgeHandOvers(
      took.map((ms) => ({ ...election("rollingRestart", ms), what: HAND_OVER })),
      new Map(),
    ).length;
  expect(judged(178, 101, 150)).toBe(1);
  expect(judged(178, 20, 150)).toBe(0);
  expect(judged(178, 101), "too few to tell").toBe(0);
});

test("a store that came back without a leader is found, whatever the one before it still believes", () => {
  const back = 1_000;
  const led = (...writes: ReturnType<typeof write>[]) => ledAfter(back, 500, writes);
  expect(led(write(900, "a", 5), write(1_100, "a", 5), write(1_400, "a", 5, 1, 0)), "its time ran out").toBe(undefined);
  expect(led(write(1_600, "a", 5, 1, 0)), "deposed").toBe(undefined);
  expect(led(write(1_600, "a", 5, 0)), "refused").toBe(undefined);
  expect(led(write(1_100, "a", 5), write(1_520, "a", 5)), "it leads on").toBe(1_100);
  expect(led(write(1_100, "a", 5), write(1_480, "b", 8), write(1_990, "b", 8)), "another one").toBe(1_480);
});

test("what a store cannot have is known before the run", () => {
  const without = (["sqlite", "redis-sentinel", "redis"] as const).map((store) =>
    (["partLeader", "partFollower", "killStore", "freezeFollower"] as const).filter((fault) => !hasFault(store, fault)),
  );
  expect(without).toEqual([["partLeader", "partFollower", "killStore"], ["partLeader", "partFollower"], []]);
});
