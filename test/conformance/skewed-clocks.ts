/** Processes whose wall clocks are hours apart, on one store with a clock of its own (T7): delays and leases go by the store's. */
import { expect } from "vitest";
import { type Clock, createJob, type Queue } from "jobferry";
import { systemClock } from "../../src/runtime/index.ts";

const HOUR = 3_600_000;
const DELAY_MS = 700;
const LEASE_MS = 700;
/** What may come late: the store's precision, and a busy machine. Nothing may come early, but for whole milliseconds on both sides. */
const LATE_MS = 8_000;

const skewedBy = (ms: number): Clock => ({
  now: () => systemClock.now() + ms,
  monotonic: () => systemClock.monotonic(),
  random: () => systemClock.random(),
  timer: (delayMs, callback, options) => systemClock.timer(delayMs, callback, options),
});

/** `open`: a queue of its own connection on one and the same store. */
export async function keepsTimeUnderSkew(open: (clock: Clock) => Promise<Queue>): Promise<void> {
  const queues = await Promise.all([-2 * HOUR, 0, 2 * HOUR].map((ms) => open(skewedBy(ms))));
  for (const pusher of queues)
    for (const popper of queues) {
      const pushed = systemClock.monotonic();
      await pusher.push(createJob("later", { delay: DELAY_MS }));
      const stored = systemClock.monotonic();
      const job = await popper.pop({ wait: "20s", lease: LEASE_MS });
      const came = systemClock.monotonic();
      expect(came - pushed, "not early").toBeGreaterThanOrEqual(DELAY_MS - 5);
      expect(came - stored, "not hours late").toBeLessThan(DELAY_MS + LATE_MS);
      // Nobody finishes it: it comes again when its lease is over, for whoever asks.
      const again = await pusher.pop({ wait: "20s" });
      expect(again?.id).toBe(job?.id);
      // Both by the store's clock, whoever asked.
      expect((again?.reservedAt ?? 0) - (job?.reservedAt ?? Infinity)).toBeGreaterThanOrEqual(LEASE_MS);
      expect(systemClock.monotonic() - came).toBeLessThan(LEASE_MS + LATE_MS);
      await expect(job?.complete()).rejects.toMatchObject({ code: "LEASE_LOST" });
      await again?.complete();
    }
  await Promise.all(queues.map((queue) => queue.close()));
}
