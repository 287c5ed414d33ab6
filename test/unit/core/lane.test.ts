import { expect, test } from "vitest";
import { Lane, type LaneLimits } from "../../../src/core/lane.ts";
import { Deferred } from "../../../src/runtime/index.ts";

type Flight = Readonly<{ items: readonly number[]; land: Deferred<readonly string[]> }>;

function laneWith(limits: LaneLimits): Readonly<{ lane: Lane<number, string>; flights: Flight[] }> {
  const flights: Flight[] = [];
  const lane = new Lane<number, string>((items) => {
    const land = new Deferred<readonly string[]>();
    flights.push({ items, land });
    return land.promise;
  }, limits);
  return { lane, flights };
}

const answers = (items: readonly number[]): readonly string[] => items.map(String);
async function landAll(flights: readonly Flight[], from = 0): Promise<void> {
  for (let i = from; i < flights.length; i += 1) {
    flights[i]?.land.resolve(answers(flights[i]?.items ?? []));
    await new Promise(setImmediate);
  }
}

test("the first call flies alone at once, the rest together when it landed, in order", async () => {
  const { lane, flights } = laneWith({ items: 100, bytes: 100 });
  const calls = [[1], [2, 3], [], [4]].map((items) => lane.add(items, 1));
  expect(flights.map(({ items }) => items)).toEqual([[1]]);
  await landAll(flights);
  expect(flights.map(({ items }) => items)).toEqual([[1], [2, 3, 4]]);
  expect(await Promise.all(calls.map(({ answer }) => answer))).toEqual([["1"], ["2", "3"], [], ["4"]]);
  expect(lane.idle).toBe(true);
});

test("flights keep the limits of items and bytes; a larger call goes alone", async () => {
  const { lane, flights } = laneWith({ items: 3, bytes: 10 });
  lane.add([0], 0);
  for (const [items, bytes] of [
    [[1, 2], 1],
    [[3], 1],
    [[4], 9],
    [[5], 2],
    [[6, 7, 8, 9], 1],
    [[10], 99],
    [[11], 1],
  ] as const)
    lane.add(items, bytes);
  await landAll(flights);
  expect(flights.map(({ items }) => items)).toEqual([[0], [1, 2, 3], [4], [5], [6, 7, 8, 9], [10], [11]]);
});

test("withdraw takes out what was not sent, and only that", async () => {
  const { lane, flights } = laneWith({ items: 100, bytes: 100 });
  const first = lane.add([1], 0);
  const second = lane.add([2], 0);
  const third = lane.add([3], 0);
  expect(first.withdraw()).toBe(false);
  expect(second.withdraw()).toBe(true);
  await landAll(flights);
  expect(flights.map(({ items }) => items)).toEqual([[1], [3]]);
  expect(third.withdraw()).toBe(false);
});

test("a flight that crashes fails its calls only", async () => {
  const { lane, flights } = laneWith({ items: 100, bytes: 100 });
  const first = lane.add([1], 0);
  const second = lane.add([2], 0);
  flights[0]?.land.reject(new Error("crash"));
  await expect(first.answer).rejects.toThrow("crash");
  await landAll(flights, 1);
  expect(await second.answer).toEqual(["2"]);
  expect(lane.idle).toBe(true);
});

test("drained waits for all that was added, also meanwhile", async () => {
  const { lane, flights } = laneWith({ items: 1, bytes: 1 });
  await lane.drained();
  lane.add([1], 0);
  lane.add([2], 0);
  let drained = 0;
  const both = [lane.drained(), lane.drained()].map((promise) => promise.then(() => (drained += 1)));
  flights[0]?.land.resolve(["1"]);
  await new Promise(setImmediate);
  expect([drained, flights.length]).toEqual([0, 2]);
  await landAll(flights, 1);
  await Promise.all(both);
  expect(drained).toBe(2);
});

test("with a size that is enough, half of what waits goes, at least that size, and answered callers join the next flight", async () => {
  const { lane, flights } = laneWith({ items: 100, bytes: 1_000, enough: 4 });
  const sizes = (): readonly number[] => flights.map(({ items }) => items.length);
  for (let i = 0; i < 21; i += 1) lane.add([i], 1);
  expect(sizes()).toEqual([1]);
  // Whoever is answered pushes again at once: 20 wait, and one more.
  lane.add([21], 1);
  await landAll(flights.slice(0, 1));
  expect(sizes()).toEqual([1, 11]);
  await landAll(flights, 1);
  expect(sizes()).toEqual([1, 11, 5, 4, 1]);
  expect(flights.flatMap(({ items }) => items)).toEqual(Array.from({ length: 22 }, (_, i) => i));
  expect(lane.idle).toBe(true);
});

test("fewer than enough wait for the callers that are answered in the same moment", async () => {
  const { lane, flights } = laneWith({ items: 100, bytes: 1_000, enough: 50 });
  let pushed = 0;
  const again = (times: number): void => {
    if (times === 0) return;
    pushed += 1;
    void lane.add([pushed], 1).answer.then(() => again(times - 1));
  };
  for (let i = 0; i < 10; i += 1) again(3);
  await landAll(flights);
  expect(flights.map(({ items }) => items.length)).toEqual([1, 10, 10, 9]);
  await lane.drained();
});
