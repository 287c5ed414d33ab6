import type {
  Compare,
  CoordinationCapabilities,
  CoordinationContext,
  CoordinationEntry,
  CoordinationSession,
  CoordinationStore,
  CoordinationWrite,
  Durability,
  ErrorClass,
  Revision,
  TransactResult,
  WatchEvent,
} from "../../contract/index.ts";
import { Bell } from "../../runtime/index.ts";
import { checkKey, checkListing, checkPrefix, checkTransaction, checkTtl } from "./coordination-arguments.ts";
import { LifeCycle } from "./life-cycle.ts";

export type ListOptions = Readonly<{ limit?: number; after?: string }>;
export type Listed = Readonly<{ entries: readonly CoordinationEntry[]; revision: Revision }>;

export type Watching = Readonly<{
  from: Revision | undefined;
  /** Fires when the caller's signal does, or the store closes. It has not fired yet. */
  over: AbortSignal;
  /** Rings when it is over. The store rings it when there may be news. */
  bell: Bell;
}>;

/** The keys of a store that is open. It is called with arguments that are in order, and no longer after `close`. */
export interface OpenCoordination {
  durability?(): Promise<Durability>;
  get(key: string): Promise<CoordinationEntry | undefined>;
  list(prefix: string, options: ListOptions): Promise<Listed>;
  transact(compares: readonly Compare[], writes: readonly CoordinationWrite[]): Promise<TransactResult>;
  openSession(ttlMs: number): Promise<CoordinationSession>;
  /** What it throws when it is over is dropped. */
  watch(prefix: string, watching: Watching): AsyncIterable<WatchEvent>;
  close(): Promise<void>;
}

/** A store as it is before it is opened. */
export interface StoreBackend {
  readonly name: string;
  /** As it stands in messages. */
  readonly title: string;
  readonly capabilities: CoordinationCapabilities;
  /** What it made is closed again when it throws. `closed` fires when the store is closed, also while it opens. */
  open(context: CoordinationContext, closed: AbortSignal): Promise<OpenCoordination>;
  classify(error: unknown): ErrorClass;
}

/** What stands in front of the keys of every backend: a life with a beginning and an end, and checks of arguments against its limits. */
class GuardedStore implements CoordinationStore {
  readonly name: string;
  readonly #backend: StoreBackend;
  readonly #life: LifeCycle<OpenCoordination>;

  constructor(backend: StoreBackend) {
    this.name = backend.name;
    this.#backend = backend;
    this.#life = new LifeCycle(`${backend.title} store`);
  }

  get capabilities(): CoordinationCapabilities {
    return this.#backend.capabilities;
  }

  async open(context: CoordinationContext): Promise<void> {
    await this.#life.open((closed) => this.#backend.open(context, closed));
  }

  close(): Promise<void> {
    return this.#life.close((keys) => keys?.close());
  }

  classify(error: unknown): ErrorClass {
    return this.#backend.classify(error);
  }

  async durability(): Promise<Durability> {
    return (await this.#life.opened.durability?.()) ?? "unknown";
  }

  async get(key: string): Promise<CoordinationEntry | undefined> {
    checkKey(key, this.capabilities.limits);
    return this.#life.opened.get(key);
  }

  async list(prefix: string, options: ListOptions = {}): Promise<Listed> {
    checkListing(prefix, options);
    return this.#life.opened.list(prefix, options);
  }

  async transact(compares: readonly Compare[], writes: readonly CoordinationWrite[]): Promise<TransactResult> {
    checkTransaction(compares, writes, this.capabilities.limits);
    return this.#life.opened.transact(compares, writes);
  }

  async openSession(ttlMs: number): Promise<CoordinationSession> {
    checkTtl(ttlMs, this.capabilities.session);
    const session = await this.#life.opened.openSession(ttlMs);
    // Of a store that is closed nothing is known any more: its sessions may live on for their time.
    return {
      id: session.id,
      renew: async () => {
        this.#life.refuseWhenClosed();
        return session.renew();
      },
      close: async () => {
        this.#life.refuseWhenClosed();
        return session.close();
      },
    };
  }

  async *watch(
    prefix: string,
    { from, signal }: Readonly<{ from?: Revision; signal: AbortSignal }>,
  ): AsyncGenerator<WatchEvent, void, undefined> {
    checkPrefix(prefix);
    const keys = this.#life.opened;
    const over = AbortSignal.any([signal, this.#life.closed]);
    if (over.aborted) return;
    const bell = new Bell();
    over.addEventListener("abort", bell.ring, { once: true });
    try {
      yield* keys.watch(prefix, { from, over, bell });
    } catch (error) {
      // What was on its way when it ended is nobody's.
      if (!over.aborted) throw error;
    } finally {
      over.removeEventListener("abort", bell.ring);
    }
  }
}

export function guardedStore(backend: StoreBackend): CoordinationStore {
  return new GuardedStore(backend);
}
