import type { Durability } from "./capabilities.ts";
import type { Clock } from "./clock.ts";
import type { ErrorClass } from "./error-codes.ts";

/**
 * Decimal text of a positive integer, given by the store at a write. It only rises for one key, also over delete and create, and for all keys
 * of one area (see `CoordinationStore`) in the order in which their writes took effect; keys of one transaction may share theirs. So it orders
 * those who wait for a lock, and is its holder's fencing token.
 */
export type Version = string;
/** A moment of the store. Opaque; goes back only to the store that gave it. */
export type Revision = string;

export type CoordinationEntry = Readonly<{ key: string; value: Uint8Array; version: Version }>;

/** Holds or does not at the moment of the transaction. `session` must be one that this client opened: does it still live? */
export type Compare =
  | Readonly<{ key: string; version: Version; once?: boolean }>
  | Readonly<{ key: string; absent: true }>
  | Readonly<{ session: string }>;

/**
 * A put decides who owns the key: with `session` it goes when that session ends, without it stays.
 *
 * `once`, here and in a compare, is a promise: nobody compares a version of this key from before it was deleted and made again, because it is never
 * made again or its version is never compared; and it never has a session. Then a store that has trouble to tell such keys apart need not. It changes
 * nothing else, and a store may ignore it.
 *
 * `unused` says that no such key is there, as far as the caller knows. It saves a store a look and is no condition: where it is wrong the key is put all the
 * same. With `once` it is a promise, of a name that nobody had before.
 */
export type CoordinationWrite =
  | Readonly<{ put: string; value: Uint8Array; session?: string; once?: boolean; unused?: boolean }>
  | Readonly<{ delete: string }>;

/** `versions` has one for each write; a delete's tells nothing. `ok: false`: a compare did not hold, or the session of a put had ended; nothing changed. */
export type TransactResult =
  | Readonly<{ ok: true; revision: Revision; versions: readonly Version[] }>
  | Readonly<{ ok: false }>;

/**
 * Level-triggered: after the last change of a key every watcher sees that state; states between may be skipped. `reset` carries everything
 * there is, after any doubt (reconnect, compaction, overflow) and at the start of a watch without `from`.
 */
export type WatchEvent =
  | Readonly<{ kind: "change"; entries: readonly CoordinationEntry[]; removed: readonly string[]; revision: Revision }>
  | Readonly<{ kind: "reset"; entries: readonly CoordinationEntry[]; revision: Revision }>;

/**
 * A sign of life with an end. It ends by a write that removes its keys, all in one transaction: by `close`, or by the store (or whoever sees
 * it past its time) when it was not renewed. The holder has to count its time by itself; see KeptSession in the runtime.
 */
export interface CoordinationSession {
  readonly id: string;
  /**
   * `ok`: it lives for at least its time to live from before this call was sent. `lost`: it has ended, for good. A rejection tells nothing:
   * the store did not answer.
   */
  renew(): Promise<"ok" | "lost">;
  /** Ends it. Also after it has ended. */
  close(): Promise<void>;
}

/** What a store honestly gives. Known before it is opened, so that what cannot work is refused at construction. Times are milliseconds, sizes bytes. */
export type CoordinationCapabilities = Readonly<{
  /** Whether other processes reach the same keys. */
  shared: boolean;
  /** `untilFailover`: a fail-over of the store can lose confirmed writes, so that two may hold a lock with rising tokens. */
  consistency: "linearizable" | "untilFailover";
  /**
   * A session that is not renewed ends at the latest `ttl * endFactor + endLagMs` after its last renewal. `mayEndEarly`: after a fault of the servers it may end before
   * its time to live is over, while its holder believes in it: then tokens decide, and whoever takes over what lasts by time counts from the session's end.
   */
  session: Readonly<{ minTtlMs: number; maxTtlMs: number; endFactor: number; endLagMs: number; mayEndEarly?: boolean }>;
  /** How long after a write a watcher sees its state at the latest, while store and client are not busy. */
  watch: Readonly<{ lagMs: number }>;
  /**
   * `operations`: compares and writes of one transaction together. `overwrite`: what a put counts among them that is neither `once` and `unused` nor
   * compared as absent; 1 where nothing is said. `transactionBytes`: keys, those of compares too, and values of one.
   */
  limits: Readonly<{
    keyBytes: number;
    valueBytes: number;
    operations: number;
    overwrite?: number;
    transactionBytes: number;
  }>;
}>;

export type CoordinationContext = Readonly<{ clock: Clock }>;

/**
 * Sessions, compare-and-set and watches: what `Cluster` stands on. `get` and `transact` are linearizable; `list` is never older than the same
 * client's last `transact`, and than its last `list` and `get`: what was seen once is not unseen.
 *
 * A key is a path of segments of A-Z a-z 0-9 . _ ~ % and -, divided by "/". Its first two segments are its area: versions rise over an area, and
 * `list` and `watch` stay inside one.
 *
 * A store does not repeat or log by itself, and every call settles: where no answer comes it rejects within a time of the store's own. What it
 * throws is its client's raw error, which `classify` explains; an argument beyond its limits is refused before anything is sent. A rejected
 * `transact` may have taken effect: whoever must know writes a unique value and reads back.
 */
export interface CoordinationStore {
  /** For messages. Nothing may decide by it. */
  readonly name: string;
  readonly capabilities: CoordinationCapabilities;
  open(context: CoordinationContext): Promise<void>;
  /** Ends watches. Sessions that were not closed end by their time. Idempotent. */
  close(): Promise<void>;
  classify(error: unknown): ErrorClass;
  /** What a confirmed write survives, as far as the servers tell: a queue on this store says so. Where it is missing nobody can tell. */
  durability?(): Promise<Durability>;
  get(key: string): Promise<CoordinationEntry | undefined>;
  /** In the order of the keys' bytes. What is written after `revision` a watch `from` it tells. `after`: only keys behind this one. */
  list(
    prefix: string,
    options?: Readonly<{ limit?: number; after?: string }>,
  ): Promise<Readonly<{ entries: readonly CoordinationEntry[]; revision: Revision }>>;
  /** All or nothing. Each key at most once among the writes, and at most one session in the whole. */
  transact(compares: readonly Compare[], writes: readonly CoordinationWrite[]): Promise<TransactResult>;
  /** Ends when the signal fires or the store closes. When it throws (a lost connection) nothing more comes: start another one. */
  watch(prefix: string, options: Readonly<{ from?: Revision; signal: AbortSignal }>): AsyncIterable<WatchEvent>;
  /** @throws INVALID_ARGUMENT for a time to live outside of the capabilities. */
  openSession(ttlMs: number): Promise<CoordinationSession>;
}
