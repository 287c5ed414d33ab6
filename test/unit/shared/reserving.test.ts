import { expect, test } from "vitest";
import type { Reservation, ReserveRequest, ReserveResult, StoredJob } from "../../../src/contract/index.ts";
import { DiedJobs } from "../../../src/drivers/shared/died-jobs.ts";
import { portions } from "../../../src/drivers/shared/portions.ts";
import { lookThenWait, NOTHING } from "../../../src/drivers/shared/reserving.ts";
import { type VirtualClock, virtualClock } from "../../../src/testing/virtual-clock.ts";

const SOME: ReserveResult = { ...NOTHING, reservations: [{ token: "1" } as Reservation] };
const REQUEST: ReserveRequest = { queues: ["work"], max: 1, leaseMs: 1_000, waitMs: 10_000 };

type Look = (isOver: () => boolean, clock: VirtualClock) => Promise<ReserveResult>;
type Asked = Readonly<{ result: Promise<ReserveResult>; waits: number[]; looks: () => number; close: () => void }>;

function ask(look: Look, change: Partial<ReserveRequest> = {}): Asked {
  const clock = virtualClock();
  const closing = new AbortController();
  const waits: number[] = [];
  let looks = 0;
  const result = lookThenWait(
    { ...REQUEST, ...change },
    {
      clock,
      closed: closing.signal,
      look: (isOver) => {
        looks += 1;
        return look(isOver, clock);
      },
      wait: async (first, waitMs) => {
        waits.push(waitMs);
        return first;
      },
    },
  );
  return { result, waits, looks: () => looks, close: () => closing.abort() };
}

test("what the first look finds is the answer", async () => {
  const { result, waits } = ask(async () => SOME);
  expect(await result).toBe(SOME);
  expect(waits).toEqual([]);
});

test("who finds nothing waits for what is left of the time", async () => {
  const empty = { ...NOTHING, nextDueInMs: 7 };
  const { result, waits } = ask(async (_isOver, clock) => {
    await clock.advance(3_000);
    return empty;
  });
  expect(await result).toBe(empty);
  expect(waits).toEqual([7_000]);
});

test("a look that took longer than the whole time leaves none to wait", async () => {
  const { result, waits } = ask(async (_isOver, clock) => {
    await clock.advance(30_000);
    return NOTHING;
  });
  await result;
  expect(waits).toEqual([0]);
});

test("who does not want to wait gets the first look's answer", async () => {
  const { result, waits } = ask(async () => NOTHING, { waitMs: 0 });
  expect(await result).toBe(NOTHING);
  expect(waits).toEqual([]);
});

test("nobody looks for one who was aborted before, or wants no job", async () => {
  for (const change of [{ signal: AbortSignal.abort() }, { max: 0 }]) {
    const { result, looks } = ask(async () => SOME, change);
    expect(await result).toBe(NOTHING);
    expect(looks()).toBe(0);
  }
});

test("a look is told that it is over by the signal and by the close", async () => {
  const stop = new AbortController();
  let isOver = (): boolean => false;
  const look: Look = async (over) => {
    isOver = over;
    return SOME;
  };
  await ask(look, { signal: stop.signal }).result;
  expect(isOver()).toBe(false);
  stop.abort();
  expect(isOver()).toBe(true);
  const { result, close } = ask(look);
  await result;
  expect(isOver()).toBe(false);
  close();
  expect(isOver()).toBe(true);
});

test("a look that fails rejects, but for one that the close cut off", async () => {
  const fail: Look = () => Promise.reject(new Error("away"));
  await expect(ask(fail).result).rejects.toThrow("away");
  const { result, close } = ask(fail, { waitMs: 0 });
  close();
  expect(await result).toBe(NOTHING);
});

const died = (...ids: readonly string[]): readonly StoredJob[] => ids.map((id) => ({ id }) as StoredJob);

test("jobs that died are reported once, in front of those of the result", () => {
  const jobs = new DiedJobs();
  const result = { ...NOTHING, died: died("c") };
  expect(jobs.reportIn(result)).toBe(result);
  jobs.add(died("a"));
  jobs.add(died("b"));
  expect(jobs.reportIn(result)).toEqual({ ...NOTHING, died: died("a", "b", "c") });
  expect(jobs.reportIn(result)).toBe(result);
  jobs.add(died("d"));
  expect(jobs.take()).toEqual(died("d"));
  expect(jobs.take()).toEqual([]);
});

test("no more than 10,000 jobs that died are kept", () => {
  const jobs = new DiedJobs();
  const many = Array.from({ length: 6_000 }, (_, i) => ({ id: String(i) }) as StoredJob);
  for (let i = 0; i < 3; i += 1) jobs.add(many);
  expect(jobs.take()).toHaveLength(10_000);
});

test("portions are no longer than asked for, and together the whole", () => {
  expect(portions([], 2)).toEqual([]);
  expect(portions([1, 2], 2)).toEqual([[1, 2]]);
  expect(portions([1, 2, 3, 4, 5], 2)).toEqual([[1, 2], [3, 4], [5]]);
});
