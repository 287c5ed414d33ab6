import type { Capabilities, CoordinationCapabilities, Durability } from "../../contract/index.ts";
import { MAX_DURATION_MS } from "../../runtime/index.ts";
import type { Size } from "./backlog.ts";
import { LATE_MS, MAX_ITEMS, MAX_PRIORITY, POLL_MS, roomIn } from "./limits.ts";
import type { LifeTiming } from "./life.ts";

/** What the algorithm makes of a store's limits. */
export function coordinatedCapabilities(
  store: CoordinationCapabilities,
  durability: Durability,
  { ttlMs, freshMs }: LifeTiming,
  backlog: Size,
): Capabilities {
  const { session, watch } = store;
  const room = roomIn(store);
  // After a death: the session ends, somebody sees it, and waits for what the dead could count on.
  const grainMs = Math.ceil(ttlMs * session.endFactor + session.endLagMs + watch.lagMs + freshMs + LATE_MS);
  return {
    durability,
    shared: store.shared,
    pushById: true,
    attempts: "exact",
    finish: "confirmed",
    release: "native",
    refund: true,
    priority: { support: "emulated", order: "strict", min: -MAX_PRIORITY, max: MAX_PRIORITY },
    // Several that claim look at different places so that they do not meet.
    fifo: false,
    delay: { support: "emulated", precisionMs: watch.lagMs + LATE_MS, maxMs: MAX_DURATION_MS },
    lease: { ends: "deadline", grainMs, minMs: 1, extend: "emulated" },
    batch: { atomic: room.atomic, maxItems: MAX_ITEMS, maxBytes: room.transactionBytes, roundTrip: true },
    payload: { maxBytes: room.payloadBytes },
    backlog: { maxJobs: backlog.jobs, maxBytes: backlog.bytes },
    wakeup: { kind: "notify", pollMs: POLL_MS },
    pause: { support: "emulated", lagMs: 0 },
    clear: { support: "emulated", counts: true },
    stats: { pending: "exact", delayed: "exact", reserved: "exact", failed: "exact", completed: "exact" },
    records: true,
    failedJobs: true,
    transactions: false,
    coordination: true,
  };
}
