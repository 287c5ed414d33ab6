import type { Capabilities } from "../../contract/index.ts";
import { MAX_DURATION_MS } from "../../runtime/index.ts";
import { MAX_BATCH_BYTES, MAX_PAYLOAD_BYTES, MAX_PRIORITY, MAX_ROWS } from "./limits.ts";
import type { Settings } from "./options.ts";

export function capabilitiesOf({
  durability,
  notify,
  pollMs,
}: Pick<Capabilities, "durability"> & Pick<Settings, "notify" | "pollMs">): Capabilities {
  return {
    durability,
    shared: true,
    pushById: true,
    attempts: "exact",
    finish: durability === "process" ? "sent" : "confirmed",
    release: "native",
    refund: true,
    priority: { support: "native", order: "strict", min: -MAX_PRIORITY, max: MAX_PRIORITY },
    fifo: true,
    delay: { support: "native", precisionMs: notify ? 100 : 100 + pollMs, maxMs: MAX_DURATION_MS },
    lease: { ends: "deadline", grainMs: 50, minMs: 1, extend: "native" },
    batch: { atomic: MAX_ROWS, maxItems: MAX_ROWS, maxBytes: MAX_BATCH_BYTES },
    payload: { maxBytes: MAX_PAYLOAD_BYTES },
    wakeup: { kind: notify ? "notify" : "poll", pollMs },
    pause: { support: "native", lagMs: 0 },
    clear: { support: "native", counts: true },
    stats: { pending: "exact", delayed: "exact", reserved: "exact", failed: "exact", completed: "exact" },
    records: true,
    failedJobs: true,
    transactions: true,
    coordination: true,
  };
}
