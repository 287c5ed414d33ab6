/**
 * Keys and sessions in this process's memory.
 *
 * - A transaction is atomic because it is one synchronous step.
 * - A crash leaves nothing: everything is gone with the process.
 * - Nothing is emulated. Several clients share one space, as several processes share a server; for tests and for clusters of one process.
 */
import type {
  Clock,
  Compare,
  CoordinationCapabilities,
  CoordinationContext,
  CoordinationEntry,
  CoordinationSession,
  CoordinationStore,
  CoordinationWrite,
  ErrorClass,
  TransactResult,
  WatchEvent,
} from "../../contract/index.ts";
import { isJobferryError, JobferryError } from "../../errors/index.ts";
import {
  guardedStore,
  type Listed,
  type ListOptions,
  type OpenCoordination,
  type Watching,
} from "../shared/guarded-store.ts";
import { WatchedState } from "../shared/watched-state.ts";
import { CoordinationSpace } from "./coordination-space.ts";

const CAPABILITIES: CoordinationCapabilities = {
  shared: false,
  consistency: "linearizable",
  session: { minTtlMs: 10, maxTtlMs: 86_400_000, endFactor: 1, endLagMs: 50 },
  watch: { lagMs: 50 },
  limits: { keyBytes: 1_024, valueBytes: 1_048_576, operations: 1_000, transactionBytes: 8 * 1_048_576 },
};

/** What several clusters of one process share. Its time is the clock of whoever opens it first. */
export class MemoryCoordination {
  #space: CoordinationSpace | undefined;

  /** @throws INVALID_ARGUMENT when it runs on another clock already. */
  spaceOn({ clock }: CoordinationContext): CoordinationSpace {
    this.#space ??= new CoordinationSpace(clock);
    if (this.#space.clock !== clock) {
      throw new JobferryError(
        "INVALID_ARGUMENT",
        "clock is another one than that of the clusters which share this memory. Give all of them the same.",
      );
    }
    return this.#space;
  }
}

const ofClock = new WeakMap<Clock, MemoryCoordination>();

/** What clusters of this process share when they are not told otherwise: one memory for each clock. */
export function memoryOf(clock: Clock): MemoryCoordination {
  const known = ofClock.get(clock) ?? new MemoryCoordination();
  ofClock.set(clock, known);
  return known;
}

class MemoryClient implements OpenCoordination {
  readonly #space: CoordinationSpace;

  constructor(space: CoordinationSpace) {
    this.#space = space;
    space.join();
  }

  async close(): Promise<void> {
    this.#space.leave();
  }

  async get(key: string): Promise<CoordinationEntry | undefined> {
    return this.#space.get(key);
  }

  async list(prefix: string, { limit, after }: ListOptions): Promise<Listed> {
    return { entries: this.#space.list(prefix, limit, after), revision: String(this.#space.revision) };
  }

  async transact(compares: readonly Compare[], writes: readonly CoordinationWrite[]): Promise<TransactResult> {
    return this.#space.transact(compares, writes);
  }

  async openSession(ttlMs: number): Promise<CoordinationSession> {
    const id = this.#space.openSession(ttlMs);
    return {
      id,
      renew: async () => (this.#space.renew(id) ? "ok" : "lost"),
      close: async () => this.#space.endSession(id),
    };
  }

  async *watch(prefix: string, { from, over, bell }: Watching): AsyncGenerator<WatchEvent, void, undefined> {
    const space = this.#space;
    const unwatch = space.watch((key) => {
      if (key.startsWith(prefix)) bell.ring();
    });
    try {
      const state = new WatchedState();
      const since = from === undefined ? -1 : Number(from);
      const whole = space.list(prefix);
      if (since < space.lastRemoval(prefix)) yield state.reset(whole, String(space.revision));
      else
        state.reset(
          whole.filter(({ version }) => Number(version) <= since),
          String(since),
        );
      while (!over.aborted) {
        const event = state.change(space.list(prefix), String(space.revision));
        if (event !== undefined) yield event;
        else await bell.wait();
      }
    } finally {
      unwatch();
    }
  }
}

function classify(error: unknown): ErrorClass {
  if (isJobferryError(error)) return { code: error.code, retryable: error.retryable, message: error.message };
  return { code: "UNEXPECTED", retryable: false };
}

/** A client on `shared`; without it on what all in this process share that use the same clock. */
export function memoryCoordinationStore(shared?: MemoryCoordination): CoordinationStore {
  return guardedStore({
    name: "memory",
    title: "memory",
    capabilities: CAPABILITIES,
    open: async (context) => new MemoryClient((shared ?? memoryOf(context.clock)).spaceOn(context)),
    classify,
  });
}
