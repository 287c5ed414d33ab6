import type {
  Clock,
  Driver,
  DriverContext,
  PushItem,
  Reservation,
  ReserveRequest,
  Timer,
} from "../../../src/contract/index.ts";
import { memoryDriver } from "../../../src/drivers/memory/memory-driver.ts";
import { idOfSequence, nextSequence, silentLogger } from "../../../src/runtime/index.ts";
import { type VirtualClock, virtualClock } from "../../../src/testing/virtual-clock.ts";

const ALL = { count: Infinity, ageMs: Infinity };
const NONE = { count: 0, ageMs: Infinity };

export type Opened = Readonly<{ driver: Driver; clock: VirtualClock }>;

export async function opened(
  retention: Partial<DriverContext["retention"]> = {},
  clock: VirtualClock = virtualClock(),
): Promise<Opened> {
  const driver = memoryDriver();
  await driver.open({ clock, logger: silentLogger, retention: { completed: NONE, failed: ALL, ...retention } });
  return { driver, clock };
}

/** A plain item as a test of a driver pushes it; its id is a number of this process unless told. */
export function itemOf(change: Partial<PushItem> = {}): PushItem {
  const sequence = change.id === undefined ? nextSequence() : undefined;
  return {
    ...{
      id: sequence === undefined ? "" : idOfSequence(sequence),
      sequence,
      queue: "q",
      name: "n",
      priority: 0,
      tags: {},
    },
    ...{ delayMs: 0, runAt: undefined, maxLosses: 3, createdAt: 0 },
    ...{ envelope: Uint8Array.of(1, 0), payload: new Uint8Array(0) },
    ...change,
  };
}

export const items = (count: number, change: (i: number) => Partial<PushItem> = () => ({})): PushItem[] =>
  Array.from({ length: count }, (_, i) => itemOf(change(i)));

export async function take(
  driver: Driver,
  max: number,
  change: Partial<ReserveRequest> = {},
): Promise<readonly Reservation[]> {
  const { reservations } = await driver.reserve({ queues: ["q"], max, leaseMs: 1_000, waitMs: 0, ...change });
  return reservations;
}

export async function takeOne(driver: Driver, change: Partial<ReserveRequest> = {}): Promise<Reservation> {
  const [reservation] = await take(driver, 1, change);
  if (reservation === undefined) throw new Error("nothing was there");
  return reservation;
}

export const FAILURE = { code: "HANDLER_FAILED", name: "Error", message: "x", stack: undefined };

/** Counts the timers that are armed, and all that ever were. */
export function countingClock(): VirtualClock & Readonly<{ made: () => number; most: () => number }> {
  const clock = virtualClock();
  let made = 0;
  let most = 0;
  const counted: Clock["timer"] = (delayMs, callback, options): Timer => {
    made += 1;
    const timer = clock.timer(delayMs, callback, options);
    most = Math.max(most, clock.armed);
    return timer;
  };
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    random: () => clock.random(),
    timer: counted,
    advance: (duration) => clock.advance(duration),
    setWallClock: (at) => clock.setWallClock(at),
    get armed() {
      return clock.armed;
    },
    made: () => made,
    most: () => most,
  };
}
