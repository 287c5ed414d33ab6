/** Drives one batch of each kind through a driver, and asks how often its server was called. */
import { expect } from "vitest";
import type { Driver, FinishItem, PushItem, Reservation } from "../../src/contract/index.ts";

const COUNT = 400;
/** Real time: leases of this many milliseconds are over before the claim that must take them back. */
const SHORT_LEASE_MS = 60;

function items(count: number, delayMs = 0): readonly PushItem[] {
  return Array.from({ length: count }, () => ({
    ...{ id: crypto.randomUUID(), sequence: undefined, queue: "work", name: "default", priority: 0, tags: {} },
    ...{ delayMs, runAt: undefined, maxLosses: 3, createdAt: Date.now() },
    ...{ envelope: Uint8Array.of(1, 0), payload: new Uint8Array(100) },
  }));
}

export type Calls = Readonly<{ push: number; claim: number; finish: number; extend: number }>;

/** A claim that meets new jobs, delayed ones that are due and leases that ran out; ends of all kinds in one batch. */
export async function callsPerBatch(driver: Driver, calls: () => Promise<number>): Promise<Calls> {
  const during = async <T>(work: () => Promise<T>): Promise<Readonly<{ result: T; made: number }>> => {
    const before = await calls();
    const result = await work();
    return { result, made: (await calls()) - before };
  };
  const take = (max: number, leaseMs: number): Promise<readonly Reservation[]> =>
    driver.reserve({ queues: ["work"], max, leaseMs, waitMs: 0 }).then(({ reservations }) => reservations);
  await driver.push(items(50));
  expect(await take(50, SHORT_LEASE_MS)).toHaveLength(50);
  await driver.push(items(50, SHORT_LEASE_MS));
  const push = await during(() => driver.push(items(COUNT)));
  expect(push.result.every(({ status }) => status === "stored")).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 3 * SHORT_LEASE_MS));
  const claim = await during(() => take(COUNT + 100, 60_000));
  expect(claim.result).toHaveLength(COUNT + 100);
  const extend = await during(() =>
    driver.extend(claim.result.map((reservation) => ({ reservation, leaseMs: 60_000 }))),
  );
  expect(new Set(extend.result)).toEqual(new Set(["ok"]));
  const failure = { code: "HANDLER_FAILED", name: "Error", message: "no", stack: undefined };
  const ends = claim.result.map((reservation, i): FinishItem => {
    if (i % 4 === 0) return { reservation, outcome: "release", delayMs: i % 8 === 0 ? 0 : 60_000, threw: true };
    return i % 4 === 1 ? { reservation, outcome: "fail", failure, threw: true } : { reservation, outcome: "done" };
  });
  const finish = await during(() => driver.finish(ends));
  expect(new Set(finish.result)).toEqual(new Set(["ok"]));
  return { push: push.made, claim: claim.made, finish: finish.made, extend: extend.made };
}
