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
  Revision,
  TransactResult,
  WatchEvent,
} from "../../contract/index.ts";
import { isJobferryError, JobferryError } from "../../errors/index.ts";
import { Bell } from "../../runtime/index.ts";
import { checkKey, checkListing, checkPrefix, checkTransaction, checkTtl } from "../shared/coordination-arguments.ts";
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

class MemoryStore implements CoordinationStore {
  readonly name = "memory";
  readonly capabilities: CoordinationCapabilities = CAPABILITIES;
  readonly #shared: MemoryCoordination | undefined;
  readonly #closed = new AbortController();
  #open: CoordinationSpace | undefined;

  constructor(shared: MemoryCoordination | undefined) {
    this.#shared = shared;
  }

  async open(context: CoordinationContext): Promise<void> {
    if (this.#closed.signal.aborted) throw closed();
    if (this.#open !== undefined) return;
    this.#open = (this.#shared ?? memoryOf(context.clock)).spaceOn(context);
    this.#open.join();
  }

  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    this.#open?.leave();
  }

  classify(error: unknown): ErrorClass {
    if (isJobferryError(error)) return { code: error.code, retryable: error.retryable, message: error.message };
    return { code: "UNEXPECTED", retryable: false };
  }

  get #space(): CoordinationSpace {
    if (this.#closed.signal.aborted) throw closed();
    if (this.#open === undefined)
      throw new JobferryError("NOT_OPEN", "The memory store is not open. Call open() first.");
    return this.#open;
  }

  async get(key: string): Promise<CoordinationEntry | undefined> {
    checkKey(key, CAPABILITIES.limits);
    return this.#space.get(key);
  }

  async list(
    prefix: string,
    options?: Readonly<{ limit?: number; after?: string }>,
  ): Promise<Readonly<{ entries: readonly CoordinationEntry[]; revision: Revision }>> {
    checkListing(prefix, options);
    const space = this.#space;
    return { entries: space.list(prefix, options?.limit, options?.after), revision: String(space.revision) };
  }

  async transact(compares: readonly Compare[], writes: readonly CoordinationWrite[]): Promise<TransactResult> {
    checkTransaction(compares, writes, CAPABILITIES.limits);
    return this.#space.transact(compares, writes);
  }

  async openSession(ttlMs: number): Promise<CoordinationSession> {
    checkTtl(ttlMs, CAPABILITIES.session);
    const space = this.#space;
    const id = space.openSession(ttlMs);
    return {
      id,
      renew: async () => (this.#space.renew(id) ? "ok" : "lost"),
      close: async () => this.#space.endSession(id),
    };
  }

  async *watch(
    prefix: string,
    options: Readonly<{ from?: Revision; signal: AbortSignal }>,
  ): AsyncGenerator<WatchEvent, void, undefined> {
    checkPrefix(prefix);
    const space = this.#space;
    const over = AbortSignal.any([options.signal, this.#closed.signal]);
    const bell = new Bell();
    const unwatch = space.watch((key) => {
      if (key.startsWith(prefix)) bell.ring();
    });
    over.addEventListener("abort", bell.ring, { once: true });
    try {
      const state = new WatchedState();
      const from = options.from === undefined ? -1 : Number(options.from);
      const whole = space.list(prefix);
      if (from < space.lastRemoval(prefix)) yield state.reset(whole, String(space.revision));
      else
        state.reset(
          whole.filter(({ version }) => Number(version) <= from),
          String(from),
        );
      while (!over.aborted) {
        const event = state.change(space.list(prefix), String(space.revision));
        if (event !== undefined) yield event;
        else await bell.wait();
      }
    } finally {
      unwatch();
      over.removeEventListener("abort", bell.ring);
    }
  }
}

function closed(): JobferryError {
  return new JobferryError("CLOSED", "The memory store is closed. Make another one.");
}

/** A client on `shared`; without it on what all in this process share that use the same clock. */
export function memoryCoordinationStore(shared?: MemoryCoordination): CoordinationStore {
  return new MemoryStore(shared);
}
