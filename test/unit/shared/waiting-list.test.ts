import { expect, test } from "vitest";
import type { Reservation, ReserveRequest, ReserveResult } from "../../../src/contract/index.ts";
import { WaitingList, type WaitingRules } from "../../../src/drivers/shared/waiting-list.ts";
import { Deferred } from "../../../src/runtime/index.ts";
import { type VirtualClock, virtualClock } from "../../../src/testing/virtual-clock.ts";

const NOTHING: ReserveResult = { reservations: [], died: [], nextDueInMs: undefined };
const JOB = { token: 1, job: { id: "a", queue: "work" } } as unknown as Reservation;
const SOME: ReserveResult = { ...NOTHING, reservations: [JOB] };
const REQUEST: ReserveRequest = { queues: ["work"], max: 1, leaseMs: 1_000, waitMs: 10_000 };

type Scene = Readonly<{
  clock: VirtualClock;
  list: WaitingList;
  /** The claims on their way, oldest first. */
  claims: Deferred<ReserveResult>[];
  /** What the store was told by the list, in order. */
  heard: string[];
  wait: (changes?: Partial<ReserveRequest>) => Promise<ReserveResult>;
}>;

function scene(rules: (clock: VirtualClock) => Partial<WaitingRules> = () => ({})): Scene {
  const clock = virtualClock();
  const claims: Deferred<ReserveResult>[] = [];
  const heard: string[] = [];
  const list: WaitingList = new WaitingList(clock, {
    claim: () => {
      const claim = new Deferred<ReserveResult>();
      claims.push(claim);
      return claim.promise;
    },
    lookAgainInMs: (next = 1_000) => Math.min(next, 1_000),
    look: () => list.wakeAll(),
    looked: (_waiter, found) => void heard.push(`looked ${found}`),
    given: () => void heard.push("given"),
    handBack: () => void heard.push("handed back"),
    wakeup: {
      watch: { start: () => void heard.push("watch"), stop: () => void heard.push("stop") },
      lingerMs: 500,
    },
    ...rules(clock),
  });
  const wait = (changes: Partial<ReserveRequest> = {}): Promise<ReserveResult> => {
    const request = { ...REQUEST, ...changes };
    return list.wait(request, NOTHING, request.waitMs, (waiter) => list.claim(waiter));
  };
  return { clock, list, claims, heard, wait };
}

const lastAnswer = (clock: VirtualClock): Partial<WaitingRules> => ({ lastAnswer: { clock, ms: 100 } });

test("one claim at a time: what wakes it meanwhile leads to another one afterwards", async () => {
  const { clock, list, claims, heard, wait } = scene();
  const waiting = wait();
  list.wake("work", 5);
  list.wake("other", 5);
  expect(claims).toHaveLength(1);
  claims[0]?.resolve(NOTHING);
  await clock.advance(0);
  expect(claims).toHaveLength(2);
  claims[1]?.resolve(SOME);
  expect((await waiting).reservations).toEqual([JOB]);
  await clock.advance(499);
  expect(heard).toEqual(["watch", "looked false", "looked true", "given"]);
  await clock.advance(1);
  expect(heard.at(-1)).toBe("stop");
  expect(clock.armed).toBe(0);
});

test("nobody wakes it: it looks when something is due, and now and then", async () => {
  const { clock, claims, wait } = scene();
  const waiting = wait();
  claims[0]?.resolve({ ...NOTHING, nextDueInMs: 300 });
  await clock.advance(299);
  expect(claims).toHaveLength(1);
  await clock.advance(1);
  expect(claims).toHaveLength(2);
  claims[1]?.resolve(NOTHING);
  await clock.advance(1_000);
  expect(claims).toHaveLength(3);
  claims[2]?.reject(new Error("away"));
  await expect(waiting).rejects.toThrow("away");
});

test("an abort waits for the claim on its way, not longer than it is told to, and what comes later is handed back", async () => {
  for (const late of [false, true]) {
    const { clock, claims, heard, wait } = scene(lastAnswer);
    const stop = new AbortController();
    const waiting = wait({ signal: stop.signal });
    stop.abort();
    await clock.advance(late ? 100 : 99);
    claims[0]?.resolve(SOME);
    expect((await waiting).reservations).toEqual(late ? [] : [JOB]);
    await clock.advance("1s");
    expect(heard.includes("handed back")).toBe(late);
    expect(heard.includes("given")).toBe(!late);
    expect(clock.armed).toBe(0);
  }
});

test("without that rule it waits for the claim however long it takes, and so does a close that is told to", async () => {
  for (const rules of [undefined, lastAnswer]) {
    const { clock, list, claims, wait } = scene(rules);
    const waiting = wait();
    list.close(rules !== undefined);
    await clock.advance("1m");
    claims[0]?.resolve(SOME);
    expect((await waiting).reservations).toEqual([JOB]);
    expect(await wait()).toEqual(NOTHING);
    expect(clock.armed).toBe(0);
  }
});

test("what died is told even when the claim fails", async () => {
  const { clock, list, claims, wait } = scene();
  const waiting = wait();
  claims[0]?.resolve({ ...NOTHING, died: [JOB.job] });
  await clock.advance(0);
  list.wakeAll();
  claims[1]?.reject(new Error("away"));
  expect(await waiting).toMatchObject({ reservations: [], died: [JOB.job] });
});
