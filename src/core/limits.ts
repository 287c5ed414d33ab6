import type { Capabilities } from "../contract/index.ts";
import { JobferryError, UnsupportedError } from "../errors/index.ts";

/** @throws UNSUPPORTED when the backend cannot delay a job, or not for so long. */
export function checkDelay(driver: string, { delay }: Capabilities, delayMs: number): void {
  if (delayMs > 0 && delay.support === "unsupported") {
    throw new UnsupportedError(
      "delay",
      `${driver} cannot delay jobs. Push the job when it is due, or use another backend.`,
    );
  }
  if (delayMs > delay.maxMs) {
    throw new UnsupportedError(
      "delay",
      `delay is ${Math.ceil(delayMs)} ms; ${driver} keeps at most ${delay.maxMs} ms. Use a shorter delay.`,
    );
  }
}

/** @throws UNSUPPORTED when the backend has no lease as short. */
export function checkLease(driver: string, { lease }: Capabilities, leaseMs: number): void {
  if (leaseMs >= lease.minMs) return;
  throw new UnsupportedError("lease", `lease is ${leaseMs} ms; ${driver} gives at least ${lease.minMs} ms.`);
}

/** @throws UNSUPPORTED when the backend has no such level. */
export function checkLevel(driver: string, { priority }: Capabilities, level: number): void {
  if (level >= priority.min && level <= priority.max) return;
  if (priority.support === "unsupported")
    throw new UnsupportedError("priority", `${driver} as it runs here has no priorities. Leave priority out, or at 0.`);
  throw new UnsupportedError("priority", `priority is ${level}; ${driver} takes ${priority.min} to ${priority.max}.`);
}

/** @throws PAYLOAD_TOO_LARGE */
export function checkBytes(driver: string, { payload }: Capabilities, what: string, length: number): void {
  if (length <= payload.maxBytes) return;
  throw new JobferryError(
    "PAYLOAD_TOO_LARGE",
    `The ${what} has ${length} bytes; ${driver} takes at most ${payload.maxBytes}. Store it elsewhere and keep a reference to it.`,
  );
}
