/** What a run is judged by, and what is found. */
export const KINDS = ["lost", "wrong", "illegal duplicate", "two leases", "early", "unbounded"] as const;
export type Kind = (typeof KINDS)[number];
export type Violation = Readonly<{ kind: Kind; id: string; why: string }>;

/** A job as it lies in the store after the drain. */
export type Remains = Readonly<{
  state: "pending" | "delayed" | "reserved" | "failed" | "completed";
  attempts: number;
  losses: number;
  code: string | undefined;
  sha: string;
}>;

export type Contents = Readonly<{
  jobs: ReadonlyMap<string, Remains>;
  /** undefined: the store cannot tell. */
  stats: Readonly<Record<"pending" | "delayed" | "reserved" | "failed" | "completed", number | undefined>>;
}>;

/** What is counted apart must stay below these. */
export type Bounds = Readonly<{
  /** Jobs that a worker can hold without having asked for them, as a broker's consumer that nobody waits for any more does. */
  unasked: number;
  workers: number;
  /** Leases that ran out in processes that nobody killed or stopped. */
  healthyLosses: number;
  /** Pushes of at most so many jobs of one queue are stored all or none. */
  atomicBatch: number;
  /** From the end of a lease to the next one on that job, the wait behind others included. */
  takeBackMs: number;
  /** From the return of the store to the first lease or confirmed end of anybody. */
  resumeMs: number;
  /** `connection`: a lease ends with its holder's connection. */
  leaseEnds: "deadline" | "connection";
  /** Whether an outage can make the store forget claims and ends that it confirmed shortly before, as a fail-over does where replicas are told later. */
  forgets: boolean;
  /** Where a job is released or moved by a copy, or an end is only sent or can be forgotten, a fault can leave it twice (DESIGN 10 counts that apart): most such jobs a fault. */
  twicePerFault: number;
  /** Of all leases: how many losses a store may count that nobody had, where `capabilities.attempts` is approximate. */
  falseLosses: number;
}>;

export type Apart = Readonly<{ what: string; count: number; bound: number }>;
export type Finding = Readonly<{
  violations: readonly Violation[];
  counts: Readonly<Record<string, number>>;
  apart: readonly Apart[];
}>;
