import type { Capabilities } from "../../contract/index.ts";
import { MAX_DURATION_MS } from "../../runtime/index.ts";
import { MAX_PAYLOAD_BYTES, MAX_PRIORITY, MAX_ROWS, POLL_MS } from "./limits.ts";
import type { Settings } from "./options.ts";

export function capabilitiesOf({ target, durability }: Settings): Capabilities {
  const isFile = target.kind === "file";
  return {
    durability: isFile ? durability : "process",
    shared: isFile,
    pushById: true,
    attempts: "exact",
    finish: "confirmed",
    release: "native",
    refund: true,
    priority: { support: "native", order: "strict", min: -MAX_PRIORITY, max: MAX_PRIORITY },
    fifo: true,
    delay: { support: "native", precisionMs: 20, maxMs: MAX_DURATION_MS },
    lease: { ends: "deadline", grainMs: 1, minMs: 1, extend: "native" },
    batch: { atomic: MAX_ROWS, maxItems: MAX_ROWS, maxBytes: MAX_PAYLOAD_BYTES },
    payload: { maxBytes: MAX_PAYLOAD_BYTES },
    wakeup: { kind: "notify", pollMs: POLL_MS },
    pause: { support: "native", lagMs: 0 },
    clear: { support: "native", counts: true },
    stats: { pending: "exact", delayed: "exact", reserved: "exact", failed: "exact", completed: "exact" },
    records: true,
    failedJobs: true,
    transactions: true,
    coordination: isFile,
  };
}
