import type { Capabilities } from "../../contract/index.ts";
import type { ConformanceTarget } from "./target.ts";

/** The reason why a case does not apply; undefined when it does. Only capabilities decide, never a driver's name. */
export type Requirement = (capabilities: Capabilities, target: ConformanceTarget) => string | undefined;

const when =
  (applies: (capabilities: Capabilities, target: ConformanceTarget) => boolean, reason: string): Requirement =>
  (capabilities, target) =>
    applies(capabilities, target) ? undefined : reason;

export function all(...requirements: readonly Requirement[]): Requirement {
  return (capabilities, target) => {
    for (const requirement of requirements) {
      const reason = requirement(capabilities, target);
      if (reason !== undefined) return reason;
    }
    return undefined;
  };
}

/** Above this a payload one byte over the limit is not worth making. */
export const LARGEST_TESTED_PAYLOAD: number = 16 * 1024 * 1024;

export const pushById: Requirement = when((c) => c.pushById, "does not push by id");
export const noPushById: Requirement = when((c) => !c.pushById, "pushes by id");
export const delays: Requirement = when((c) => c.delay.support !== "unsupported", "has no delays");
export const noDelays: Requirement = when((c) => c.delay.support === "unsupported", "has delays");
export const boundedDelays: Requirement = when(
  (c) => c.delay.support !== "unsupported" && c.delay.maxMs < 50 * 365 * 86_400_000,
  "has no delays, or no limit on them that matters",
);
export const priorities: Requirement = when((c) => c.priority.support !== "unsupported", "has no priorities");
export const strictPriorities: Requirement = when(
  (c) => c.priority.support !== "unsupported" && c.priority.order === "strict",
  "has no strict priorities",
);
export const boundedPriorities: Requirement = when(
  (c) => c.priority.max < Number.MAX_SAFE_INTEGER && c.priority.min > Number.MIN_SAFE_INTEGER,
  "takes every integer as priority",
);
export const fifo: Requirement = when((c) => c.fifo, "does not keep the order of a producer");
export const refund: Requirement = when((c) => c.refund, "cannot give an attempt back");
export const noRefund: Requirement = when((c) => !c.refund, "can give an attempt back");
export const exactAttempts: Requirement = when((c) => c.attempts === "exact", "counts attempts approximately");
export const deadlines: Requirement = when((c) => c.lease.ends === "deadline", "leases end with the connection");
export const connectionLeases: Requirement = when((c) => c.lease.ends === "connection", "leases end by time");
export const extension: Requirement = when((c) => c.lease.extend !== "unsupported", "cannot extend a lease");
export const noExtension: Requirement = when((c) => c.lease.extend === "unsupported", "can extend a lease");
export const pausing: Requirement = when((c) => c.pause.support !== "unsupported", "cannot pause");
export const noPausing: Requirement = when((c) => c.pause.support === "unsupported", "can pause");
export const clearing: Requirement = when((c) => c.clear.support !== "unsupported", "cannot clear");
export const noClearing: Requirement = when((c) => c.clear.support === "unsupported", "can clear");
export const records: Requirement = when((c) => c.records === true, "has no records of jobs that wait or run");
export const failedRecords: Requirement = when((c) => c.records !== false, "has no records");
export const shared: Requirement = when((c) => c.shared, "lives in one process");
export const durable: Requirement = when(
  (c) => c.durability !== "process" && c.durability !== "unknown",
  "keeps nothing beyond this process",
);
export const confirmedFinish: Requirement = when((c) => c.finish === "confirmed", "a finish is only sent");
export const transactions: Requirement = when((c) => c.transactions, "has no transactions");
export const noTransactions: Requirement = when((c) => !c.transactions, "has transactions");
export const atomicBatches: Requirement = when((c) => c.batch.atomic > 1, "stores each push for itself");
export const payloadLimit: Requirement = when(
  (c) => c.payload.maxBytes <= LARGEST_TESTED_PAYLOAD,
  "takes payloads beyond 16 MiB",
);
export const megabytePayloads: Requirement = when((c) => c.payload.maxBytes >= 1_000_000, "takes no payloads of 1 MB");
export const lostAnswers: Requirement = when(
  (_c, target) => target.loseAnswer !== undefined,
  "the target cannot lose an answer",
);
export const virtualTime: Requirement = when((_c, target) => target.clock !== undefined, "runs in real time");
export const steppedWallClock: Requirement = when(
  (_c, target) => target.clock !== undefined && target.stepsWallClock === true,
  "the target cannot step the store's wall clock",
);
export const coordination: Requirement = when((c) => c.coordination, "has no coordination store");
