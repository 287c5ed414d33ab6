/** Opaque; only rises for one key, also over delete and create. Goes back only to the store that gave it. */
export type Version = string;
export type Revision = string;

export type CoordinationEntry = Readonly<{ key: string; value: Uint8Array; version: Version }>;

export type Compare =
  | Readonly<{ key: string; version: Version }>
  | Readonly<{ key: string; absent: true }>
  | Readonly<{ session: string }>;

export type CoordinationWrite =
  | Readonly<{ put: string; value: Uint8Array; session?: string }>
  | Readonly<{ delete: string }>;

export type TransactResult =
  | Readonly<{ ok: true; revision: Revision; versions: readonly Version[] }>
  | Readonly<{ ok: false }>;

/** Level-triggered: after the last change of a key every watcher sees that state; states between may be skipped. `reset` carries everything after any doubt. */
export type WatchEvent =
  | Readonly<{ kind: "change"; entries: readonly CoordinationEntry[]; removed: readonly string[]; revision: Revision }>
  | Readonly<{ kind: "reset"; entries: readonly CoordinationEntry[]; revision: Revision }>;

export interface CoordinationSession {
  readonly id: string;
  /** Fires at the holder before the store may give its keys away, by the holder's monotonic clock. */
  readonly lost: AbortSignal;
  close(): Promise<void>;
}

/** Sessions, compare-and-set and watches: what `Cluster` stands on. `get` and `transact` are linearizable. */
export interface CoordinationStore {
  get(key: string): Promise<CoordinationEntry | undefined>;
  list(
    prefix: string,
    options?: Readonly<{ limit?: number; after?: string }>,
  ): Promise<Readonly<{ entries: readonly CoordinationEntry[]; revision: Revision }>>;
  transact(compares: readonly Compare[], writes: readonly CoordinationWrite[]): Promise<TransactResult>;
  watch(prefix: string, options: Readonly<{ from?: Revision; signal: AbortSignal }>): AsyncIterable<WatchEvent>;
  openSession(ttlMs: number): Promise<CoordinationSession>;
}
