import { readFileSync } from "node:fs";
import type { Clock } from "../../contract/index.ts";
import { clockDifference, systemClock } from "../../runtime/index.ts";

/**
 * What lease ends are measured with: milliseconds that never step and that all processes of the machine share. `Clock.monotonic()` has a
 * start of its own in each process (on Node `performance.now()`); `process.hrtime` is the machine's (CLOCK_MONOTONIC on Linux), so the
 * difference of both, taken once, carries the one over to the other. See docs/adr/0020.
 */
export type LeaseClock = Readonly<{
  now(): number;
  /** What the clock's `monotonic()` is on this one. */
  at(monotonic: number): number;
  /** Which run of the clock its times belong to: leases of another run have ended. */
  epoch: string;
}>;

export function leaseClockFor(clock: Clock): LeaseClock {
  // Any other clock is a test's: all its users live in this process.
  if (clock !== systemClock) return { now: () => clock.monotonic(), at: (monotonic) => monotonic, epoch: "own clock" };
  const start = clockDifference(
    () => Number(process.hrtime.bigint()) / 1e6,
    () => clock.monotonic(),
  );
  return { now: () => clock.monotonic() + start, at: (monotonic) => monotonic + start, epoch: bootIdentity() };
}

/** Empty where the platform tells none: then a restart of the machine is noticed by a clock that is behind the one of the last open. */
function bootIdentity(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}
