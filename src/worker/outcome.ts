import type { Outcome } from "../core/index.ts";
import { parseDuration, type Duration } from "../runtime/index.ts";

const brand = Symbol.for("jobferry.outcome");

/** What a handler's context makes instead of a result. Plain data, so that it crosses to another process. */
export type OutcomeData =
  | Readonly<{ kind: "retry"; delayMs: number }>
  | Readonly<{ kind: "snooze"; delayMs: number }>
  | Readonly<{ kind: "cancel"; reason: string }>;

class OutcomeValue {
  readonly data: OutcomeData;

  constructor(data: OutcomeData) {
    this.data = data;
  }

  static {
    Object.defineProperty(this.prototype, brand, { value: true });
  }
}

export function makeOutcome(data: OutcomeData): Outcome {
  return new OutcomeValue(data) as unknown as Outcome;
}

/** undefined for an ordinary result. */
export function outcomeOf(value: unknown): OutcomeData | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  try {
    return brand in value ? (value as unknown as OutcomeValue).data : undefined;
  } catch {
    return undefined; // a proxy that refuses to be looked at is a result too
  }
}

export function retry(options: Readonly<{ in: Duration }>): Outcome {
  return makeOutcome({ kind: "retry", delayMs: parseDuration(options.in, "retry.in") });
}

export function cancel(reason: string): Outcome {
  return makeOutcome({ kind: "cancel", reason: String(reason) });
}

export function snooze(delay: Duration): Outcome {
  return makeOutcome({ kind: "snooze", delayMs: parseDuration(delay, "snooze") });
}
