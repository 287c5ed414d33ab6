import type { JobState, StoredJob } from "./job.ts";

/** All given conditions must hold. Texts are compared for equality; times are epoch milliseconds. */
export type RecordFilter = Readonly<{
  state?: JobState;
  queue?: string;
  name?: string;
  tag?: readonly [key: string, value: string];
  /** A part of the failure's code or message, any case. */
  error?: string;
  /** Finished jobs: finished before; others: created before. */
  before?: number;
}>;

export type RecordPage = Readonly<{ jobs: readonly StoredJob[]; cursor: string | undefined }>;

/**
 * Optional part of a driver: single jobs by id and by filter. A listing is in the order in which jobs came to rest or were pushed,
 * oldest first, and a cursor stays valid while jobs come and go: a job that does not change state meanwhile is seen exactly once.
 */
export interface RecordStore {
  get(id: string): Promise<StoredJob | undefined>;
  list(filter: RecordFilter, page: Readonly<{ limit: number; cursor?: string | undefined }>): Promise<RecordPage>;
  /** Removes jobs that are not reserved, and, when a state is given, only those that are in it; tells how many. */
  remove(ids: readonly string[], state?: JobState): Promise<number>;
  /** Failed jobs back to pending with attempts, losses and exceptions at 0; tells how many. */
  retry(ids: readonly string[]): Promise<number>;
  /** Delayed jobs to pending; tells how many. */
  promote(ids: readonly string[]): Promise<number>;
}

/** Optional part of a driver that keeps failed jobs but cannot look up single ones. */
export interface DeadLetters {
  /** The oldest failed jobs, of one queue or of all, back to pending with attempts, losses and exceptions at 0; tells how many. */
  retry(options: Readonly<{ queue: string | undefined; max: number }>): Promise<number>;
  /** Removes failed jobs for ever; tells how many. */
  flush(queue: string | undefined): Promise<number>;
}
