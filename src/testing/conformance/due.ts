import assert from "node:assert/strict";
import type { Reservation } from "../../contract/index.ts";
import type { Stage, Take } from "./stage.ts";

/** In real time the store counts by another clock than the suite, which shows whole milliseconds. */
const GRAIN_MS = 2;
const LOOK_MS = 50;
/** When the last looks before the time begin. */
const LAST_LOOKS_MS = 250;

/**
 * One look that must not find a job before `due` (monotonic). On a busy machine a look takes a quarter of a second and more, so in real time the
 * instant judges at which the answer was here: what came before the time was early, what came after it is the job itself.
 */
export async function lookBefore(stage: Stage, due: number, take: Take = {}): Promise<Reservation | undefined> {
  const { clock, isVirtual } = stage;
  const waitMs = isVirtual ? 0 : Math.min(LOOK_MS, Math.max(0, due - clock.monotonic()));
  const { reservations } = await stage.reserve({ waitMs, ...take, max: 1 });
  const left = due - clock.monotonic();
  const [found] = reservations;
  if (found === undefined) await stage.maintain(take.driver);
  else assert.ok(left <= (isVirtual ? 0 : GRAIN_MS), `${found.job.id} came ${left.toFixed(1)} ms before its time`);
  return found;
}

/** Looks again and again until `due`: the job when one of the looks lasted until its time. */
async function nothingBefore(stage: Stage, due: number, take: Take = {}): Promise<Reservation | undefined> {
  let found = await lookBefore(stage, due, take);
  await stage.passUntil(due - (stage.isVirtual ? 1 : LAST_LOOKS_MS));
  if (stage.isVirtual) {
    await stage.nothing(take);
    return found;
  }
  while (found === undefined && stage.clock.monotonic() < due) found = await lookBefore(stage, due, take);
  return found;
}

/** The job that was delayed by `delayMs` after `start`: not there before its time, there within the precision. */
export async function comesAt(stage: Stage, start: number, delayMs: number): Promise<Reservation> {
  const due = start + delayMs;
  const found = await nothingBefore(stage, due);
  if (found !== undefined) return found;
  await stage.passUntil(due + stage.capabilities.delay.precisionMs + 1);
  return stage.takeOne();
}
