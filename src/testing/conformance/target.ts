import type { Capabilities, Driver } from "../../contract/index.ts";
import type { VirtualClock } from "../virtual-clock.ts";

type Later<T> = T | Promise<T>;

/** What the suite needs to exercise a driver. Every case gets a store of its own; cases run one after the other. */
export type ConformanceTarget = Readonly<{
  /** A new driver, not yet opened, on an empty store. Called once a case. */
  open(): Later<Driver>;
  /** Another one, not yet opened, on the same store, as a second process would have it. Needed where `capabilities.shared`. */
  reopen?(first: Driver): Later<Driver>;
  /**
   * Ends a driver as SIGKILL ends its process: nothing is handed back, nothing flushed. The suite does not touch it afterwards; what is left of it
   * goes in `cleanup`.
   * Needed where leases end with the connection.
   */
  crash?(driver: Driver): Later<void>;
  /** Where the driver's time can be virtual. Without it the suite waits in real time, as shortly as the capabilities allow. */
  clock?: VirtualClock;
  /** Whether the store's time is `clock`, wall clock included, so that the suite may step it. Default: false. */
  stepsWallClock?: boolean;
  /** For a driver on a virtual clock whose calls are answered by something real, such as a server: how long an answer may take before virtual time passes. Default: 0. */
  realInputMs?: number;
  /** How long a call may take in real time, beyond what it was told to wait, before it counts as hung. Default: 10,000. */
  hungAfterMs?: number;
  /** Of leases that cases let run out, in real time: long enough for a hundred calls one after the other on a busy machine. Default: 300. */
  shortLeaseMs?: number;
  /** Lets the next call of this kind reach the store and loses its answer; the connection may go with it. Without it the cases of unknown outcomes do not run. */
  loseAnswer?(driver: Driver, call: "push" | "finish"): void;
  /** Runs `body` in a transaction of the user's, then ends it as told. Needed where `capabilities.transactions`. */
  transact?(driver: Driver, body: (transaction: unknown) => Promise<void>, end: "commit" | "rollback"): Promise<void>;
  /** After every case, when its drivers are closed. Then no timer may be armed on `clock`. */
  cleanup?(): Later<void>;
}>;

export type ConformanceCase = Readonly<{
  group: string;
  name: string;
  /** Why the case does not apply to such a driver; undefined when it does. Ask it before `run`. */
  requires?(capabilities: Capabilities): string | undefined;
  /** Rejects with an AssertionError that says what the driver did and what the contract wants. */
  run(): Promise<void>;
}>;
