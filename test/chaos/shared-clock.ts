import { closeSync, openSync, readSync, writeFileSync, writeSync } from "node:fs";
import type { Clock } from "../../src/contract/index.ts";
import { systemClock } from "../../src/runtime/index.ts";
import { type LogWriter, machineMs } from "./log.ts";

/**
 * A machine whose wall clock can be set: all processes with the same file see the same steps at the same moment, as with `date -s`.
 * Monotonic time is the machine's own, so that it means the same in all of them.
 */
export function sharedClock(file: string): Clock {
  const offset = new Float64Array(1);
  const bytes = new Uint8Array(offset.buffer);
  const handle = openSync(file, "r");
  return {
    now(): number {
      readSync(handle, bytes, 0, 8, 0);
      return Math.round(Date.now() + (offset[0] ?? 0));
    },
    monotonic: machineMs,
    timer: (delayMs, callback, options) => systemClock.timer(delayMs, callback, options),
    random: () => systemClock.random(),
  };
}

export function createSharedClock(file: string): void {
  writeFileSync(file, new Uint8Array(8));
}

/** The offset holds from some moment between the two lines on. */
export function setSharedClock(file: string, offsetMs: number, log: LogWriter): void {
  const handle = openSync(file, "r+");
  log.write({ type: "stepping", offsetMs });
  writeSync(handle, new Uint8Array(Float64Array.of(offsetMs).buffer), 0, 8, 0);
  log.write({ type: "stepped", offsetMs });
  closeSync(handle);
}
