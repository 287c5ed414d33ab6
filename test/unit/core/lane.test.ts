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

/** Each of so many callers pushes again as soon as it is answered, so often. */
function callers(lane: Lane<number, string>, count: number, times: number): void {
  let pushed = 0;
  const again = async (left: number): Promise<void> => {
    for (let i = 0; i < left; i += 1) {
      pushed += 1;
      await lane.add([pushed], 1).answer;
    }
  };
  for (let i = 0; i < count; i += 1) void again(times);
}

test("a lane that gathers waits for the callers that are answered in the same moment", async () => {
  const { lane, flights } = laneWith({ items: 100, bytes: 1_000, gather: true });
  callers(lane, 10, 3);
  await landAll(flights);
  expect(flights.map(({ items }) => items.length)).toEqual([1, 10, 10, 9]);
  expect(flights.flatMap(({ items }) => items)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
  await lane.drained();
  expect(lane.idle).toBe(true);
});

test("a lane that does not gather flies at once, with who waits already", async () => {
  const { lane, flights } = laneWith({ items: 100, bytes: 1_000 });
  callers(lane, 10, 3);
  await landAll(flights);
  expect(flights.map(({ items }) => items.length)).toEqual([1, 9, 1, 9, 1, 9]);
});

test("a flight that crashed is followed by the next, also where the lane gathers", async () => {
  const { lane, flights } = laneWith({ items: 100, bytes: 1_000, gather: true });
  const first = lane.add([1], 1).answer;
  const second = lane.add([2], 1).answer;
  flights[0]?.land.reject(new Error("gone"));
  await expect(first).rejects.toThrow("gone");
  await new Promise(setImmediate);
  await landAll(flights, 1);
  expect(await second).toEqual(["2"]);
  await lane.drained();
});
