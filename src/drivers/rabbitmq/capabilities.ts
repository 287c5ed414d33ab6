import type { Capabilities } from "../../contract/index.ts";
import { MAX_DELAY_MS } from "./ladder.ts";
import { HEADROOM } from "./message-limit.ts";
import type { Settings } from "./options.ts";
import { PRIORITY_OFFSET } from "./posting.ts";
import type { Server } from "./server.ts";

const MAX_SERVER_PRIORITY = 31;

/** RabbitMQ's quorum queues: none before 4.0, two mixed classes to 4.2, 32 strict levels from 4.3. */
function prioritiesOf({ major, minor }: Server): Capabilities["priority"] {
  if (major < 4) return { support: "unsupported", order: "approximate", min: 0, max: 0 };
  if (major === 4 && minor < 3) return { support: "native", order: "approximate", min: 0, max: 1 };
  return {
    support: "native",
    order: "strict",
    min: -PRIORITY_OFFSET,
    max: MAX_SERVER_PRIORITY - PRIORITY_OFFSET,
  };
}

/** `second`: of the queue where failed jobs and longer delays are kept. */
export function capabilitiesOf(server: Server, { maxMessageBytes }: Settings, second?: Capabilities): Capabilities {
  return {
    durability: "serverCrash",
    shared: true,
    pushById: false,
    attempts: "approximate",
    finish: "sent",
    release: "byCopy",
    refund: true,
    priority: prioritiesOf(server),
    fifo: true,
    delay: { support: "emulated", precisionMs: 250, maxMs: second?.delay.maxMs ?? MAX_DELAY_MS },
    lease: { ends: "connection", grainMs: 100, minMs: 0, extend: "emulated" },
    batch: { atomic: 1, maxItems: 1_000, maxBytes: 16 * 1024 * 1024 },
    // What the second store refuses could never fail.
    payload: { maxBytes: Math.min(maxMessageBytes - HEADROOM, second?.payload.maxBytes ?? Infinity) },
    wakeup: { kind: "notify", pollMs: 0 },
    pause: { support: "unsupported", lagMs: 0 },
    clear: { support: "native", counts: true },
    stats: {
      pending: "approximate",
      delayed: "approximate",
      reserved: "none",
      failed: second?.stats.failed ?? "approximate",
      completed: "none",
    },
    records: second === undefined ? false : "resting",
    failedJobs: true,
    transactions: false,
    coordination: false,
  };
}
