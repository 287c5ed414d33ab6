import type { Capabilities, PushItem } from "../../contract/index.ts";
import { JobferryError, UnsupportedError } from "../../errors/index.ts";
import { MAX_DURATION_MS } from "../../runtime/index.ts";

const MAX_PAYLOAD = 64 * 1024 * 1024;

export const CAPABILITIES: Capabilities = {
  durability: "process",
  shared: false,
  pushById: true,
  attempts: "exact",
  finish: "confirmed",
  release: "native",
  refund: true,
  priority: { support: "native", order: "strict", min: -1_000_000_000, max: 1_000_000_000 },
  fifo: true,
  delay: { support: "native", precisionMs: 20, maxMs: MAX_DURATION_MS },
  lease: { ends: "deadline", grainMs: 1, minMs: 1, extend: "native" },
  batch: { atomic: 10_000, maxItems: 10_000, maxBytes: 64 * 1024 * 1024 },
  payload: { maxBytes: MAX_PAYLOAD },
  wakeup: { kind: "notify", pollMs: 0 },
  pause: { support: "native", lagMs: 0 },
  clear: { support: "native", counts: true },
  stats: { pending: "exact", delayed: "exact", reserved: "exact", failed: "exact", completed: "exact" },
  records: true,
  failedJobs: true,
  transactions: false,
  coordination: true,
};

/** Core checks before; this is for callers of the driver itself. Items of core weigh themselves without being encoded. */
export function refusal(item: PushItem): JobferryError | undefined {
  const { priority, delay } = CAPABILITIES;
  if (item.priority < priority.min || item.priority > priority.max)
    return new UnsupportedError(
      "priority",
      `priority is ${item.priority}; memory takes ${priority.min} to ${priority.max}.`,
    );
  if (item.delayMs > delay.maxMs)
    return new UnsupportedError("delay", `delay is ${item.delayMs} ms; memory keeps at most ${delay.maxMs} ms.`);
  if ("weight" in item || item.payload.length <= MAX_PAYLOAD) return undefined;
  return new JobferryError("PAYLOAD_TOO_LARGE", `The payload has more than ${MAX_PAYLOAD} bytes.`);
}
