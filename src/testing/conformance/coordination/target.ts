import type { CoordinationCapabilities, CoordinationStore } from "../../../contract/index.ts";
import type { VirtualClock } from "../../virtual-clock.ts";

type Later<T> = T | Promise<T>;

/** What the suite needs to exercise a coordination store. Every case gets an empty store of its own; cases run one after the other. */
export type CoordinationTarget = Readonly<{
  /** A new client, not yet opened, on an empty store. Called once a case. */
  open(): Later<CoordinationStore>;
  /** Another client, not yet opened, of the same store, as another process would have it. */
  reopen(first: CoordinationStore): Later<CoordinationStore>;
  /** Where the store's time can be virtual. Without it the suite waits in real time, as shortly as the capabilities allow. */
  clock?: VirtualClock;
  /** How long a call may take in real time before it counts as hung. Default: 10,000. */
  hungAfterMs?: number;
  /**
   * Cuts a client off until the returned function is called: its calls reject or hang and nothing of them takes effect, its watches hear nothing
   * or throw. Without it the cases of partitions do not run.
   */
  partition?(client: CoordinationStore): () => Later<void>;
  /** Ends a client as SIGKILL ends its process. The suite does not touch it afterwards; what is left of it goes in `cleanup`. */
  crash?(client: CoordinationStore): Later<void>;
  /** Lets the client's next transaction take effect and loses its answer; the connection may go with it. Without it the cases of unknown answers do not run. */
  loseAnswer?(client: CoordinationStore): void;
  /** Makes the store forget its history, where it has one (compaction). Watches have to bear it. */
  forgetHistory?(client: CoordinationStore): Later<void>;
  /** After every case, when its clients are closed. Then no timer may be armed on `clock`. */
  cleanup?(): Later<void>;
}>;

export type CoordinationCase = Readonly<{
  group: string;
  name: string;
  /** Why the case does not apply to such a store; undefined when it does. Ask it before `run`. */
  requires?(capabilities: CoordinationCapabilities): string | undefined;
  /** Rejects with an AssertionError that says what the store did and what the contract wants. */
  run(): Promise<void>;
}>;
