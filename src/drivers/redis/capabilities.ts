import type { Capabilities, Durability } from "../../contract/index.ts";
import { MAX_DURATION_MS } from "../../runtime/index.ts";
import { MAX_BATCH_BYTES, MAX_ITEMS, MAX_PAYLOAD_BYTES, MAX_PRIORITY, POLL_MS } from "./limits.ts";

/** What the driver gives: the same on every server, but for the durability that the server is set up for. */
export function redisCapabilities(durability: Durability, partitions: number): Capabilities {
  const one = partitions === 1;
  return {
    durability,
    shared: true,
    pushById: true,
    attempts: "exact",
    finish: "confirmed",
    release: "native",
    refund: true,
    priority: { support: "native", order: one ? "strict" : "approximate", min: -MAX_PRIORITY, max: MAX_PRIORITY },
    fifo: one,
    delay: { support: "native", precisionMs: 50, maxMs: MAX_DURATION_MS },
    lease: { ends: "deadline", grainMs: 0, minMs: 1, extend: "native" },
    batch: { atomic: one ? MAX_ITEMS : 1, maxItems: MAX_ITEMS, maxBytes: MAX_BATCH_BYTES, roundTrip: true },
    payload: { maxBytes: MAX_PAYLOAD_BYTES },
    wakeup: { kind: "notify", pollMs: POLL_MS },
    pause: { support: "native", lagMs: 0 },
    clear: { support: "native", counts: true },
    stats: { pending: "exact", delayed: "exact", reserved: "exact", failed: "exact", completed: "exact" },
    records: true,
    failedJobs: true,
    transactions: false,
    coordination: true,
  };
}
