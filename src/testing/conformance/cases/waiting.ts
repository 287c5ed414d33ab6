import assert from "node:assert/strict";
import { setImmediate as nextImmediate } from "node:timers/promises";
import type { ReserveRequest, ReserveResult } from "../../../contract/index.ts";
import type { CaseSpec } from "../case.ts";
import { oneInTime } from "../in-time.ts";
import { idsOf, QUEUE } from "../stage.ts";
import type { Stage } from "../stage.ts";

export function blocked(
  stage: Stage,
  changes: Partial<ReserveRequest> = {},
): { request: ReserveRequest; result: Promise<ReserveResult> } {
  const request: ReserveRequest = { queues: [QUEUE], max: 1, leaseMs: stage.leaseMs, waitMs: 600_000, ...changes };
  return { request, result: stage.driver.reserve(request) };
}

export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await nextImmediate();
}

/** The first call for a queue may declare it on a server, which is not what is measured. */
async function declare(stage: Stage): Promise<void> {
  if (!stage.isVirtual) await stage.reserve();
}

/** A promise's result and when it was here. */
async function timed<T>(stage: Stage, promise: Promise<T>): Promise<Readonly<{ value: T; end: number }>> {
  const value = await promise;
  return { value, end: stage.clock.monotonic() };
}

async function lateAnswer(stage: Stage): Promise<string | undefined> {
  const start = stage.clock.monotonic();
  const { reservations } = await stage.reserve();
  assert.deepEqual(idsOf(reservations), []);
  const took = stage.clock.monotonic() - start;
  return took <= stage.patienceMs + 250 ? undefined : `an empty queue was answered after ${took} ms`;
}

async function lateEnd(stage: Stage): Promise<string | undefined> {
  const waitMs = stage.isVirtual ? 20_000 : 400;
  const longestMs = waitMs + stage.patienceMs + 500;
  const start = stage.clock.monotonic();
  const { result } = blocked(stage, { waitMs });
  const { value, end } = await stage.settles(timed(stage, result), longestMs, "a reserve that nobody serves");
  assert.deepEqual(idsOf(value.reservations), []);
  const waited = `waited ${end - start} of ${waitMs} ms`;
  assert.ok(end - start >= waitMs - 1, waited);
  return end - start <= longestMs ? undefined : waited;
}

/** Whoever only looks now and then is late in each try: it ended with a look, and just after that the next one begins. */
async function lateWakeUp(stage: Stage): Promise<string | undefined> {
  const { request, result } = blocked(stage);
  const woken = timed(stage, result);
  await turns(3);
  const item = stage.item();
  await stage.push(item);
  // From here on it is stored; how long that took is another matter.
  const start = stage.clock.monotonic();
  const { value, end } = await stage.settles(woken, stage.patienceMs, "a blocked reserve after a push");
  stage.checkReserved(request, value);
  assert.deepEqual(idsOf(value.reservations), [item.id]);
  if (end - start <= stage.patienceMs) return undefined;
  for (const held of value.reservations) await stage.done(held);
  return `woken ${end - start} ms after the push`;
}

/** How long a call may take. */
export const waiting: readonly CaseSpec[] = [
  {
    name: "answers at once without waitMs",
    run: async (stage) => {
      await declare(stage);
      await oneInTime(stage, () => lateAnswer(stage));
    },
  },
  {
    name: "waits as long as it was told, and no longer",
    run: async (stage) => {
      await declare(stage);
      await oneInTime(stage, () => lateEnd(stage));
    },
  },
  {
    name: "a blocked consumer is woken by a push within the stated time",
    run: async (stage) => {
      await declare(stage);
      await oneInTime(stage, () => lateWakeUp(stage));
    },
  },
];
