import type { Driver, JobFailure, JobState, RecordFilter, RecordStore, StoredJob } from "../contract/index.ts";
import { failureFrom, invalidArgument, UnsupportedError } from "../errors/index.ts";
import { checkInteger, checkName, checkOptions } from "../runtime/index.ts";
import type { Engine } from "./engine.ts";
import { refuseUndefined } from "./explicit-undefined.ts";
import { decodeEnvelope, type Envelope, plainEnvelope } from "./envelope.ts";
import { type Job, JobSnapshot } from "./job.ts";
import { QueuedItem } from "./queued-item.ts";
import { decodeResult } from "./result.ts";

/** All given conditions must hold. */
export type Filter = Readonly<{
  state?: JobState;
  queue?: string;
  name?: string;
  tag?: readonly [key: string, value: string];
  /** A part of the failure's code or message, any case. */
  error?: string;
  /** Finished jobs: finished before this; others: created before it. */
  before?: Date;
}>;

/** A job as it lies in the store. */
export interface JobRecord extends Job {
  readonly state: JobState;
  readonly finishedAt: number | undefined;
  readonly failure: JobFailure | undefined;
  /** Of a completed job that is kept. */
  readonly result: unknown;
  /** Set when the stored bytes cannot be read; then `payload` is undefined. */
  readonly damage: JobFailure | undefined;
}

export type RecordsPage = Readonly<{ jobs: readonly JobRecord[]; cursor: string | undefined }>;

/**
 * Single jobs of a store: look up, list, search, retry, remove, promote. Calls that change jobs refuse a filter with a member that is there but
 * undefined: it may be a variable that nobody has set.
 */
export interface Records {
  get(id: string): Promise<JobRecord | undefined>;
  /** Oldest first, 100 a page unless told (at most 1,000). Pass the cursor back for the next page. */
  list(filter?: Filter, page?: Readonly<{ limit?: number; cursor?: string | undefined }>): Promise<RecordsPage>;
  /** Failed jobs back to pending with a fresh count of attempts; resolves to the number. */
  retry(which: readonly string[] | Filter): Promise<number>;
  /** Jobs that are not reserved, for ever; resolves to the number. */
  remove(which: readonly string[] | Filter): Promise<number>;
  /** Delayed jobs to pending now; resolves to the number. */
  promote(which: readonly string[] | Filter): Promise<number>;
}

const STATES: readonly JobState[] = ["pending", "delayed", "reserved", "failed", "completed"];
const CHUNK = 500;

class RecordSnapshot extends JobSnapshot implements JobRecord {
  readonly damage: JobFailure | undefined;
  readonly #stored: StoredJob;

  constructor(stored: StoredJob, envelope: Envelope, damage: JobFailure | undefined) {
    super(stored, envelope);
    this.#stored = stored;
    this.damage = damage;
  }

  override get payload(): unknown {
    return this.damage === undefined ? super.payload : undefined;
  }
  get state(): JobState {
    return this.#stored.state;
  }
  get finishedAt(): number | undefined {
    return this.#stored.finishedAt;
  }
  get failure(): JobFailure | undefined {
    return this.#stored.failure;
  }
  get result(): unknown {
    const { result } = this.#stored;
    return result === undefined || this.damage !== undefined ? undefined : decodeResult(result);
  }
  override toJSON(): Readonly<Record<string, unknown>> {
    const { state, finishedAt, failure, result, damage } = this;
    return { ...super.toJSON(), state, finishedAt, failure, result, damage };
  }
}

function recordOf(stored: StoredJob): JobRecord {
  const { item } = stored;
  if (item instanceof QueuedItem) return new RecordSnapshot(stored, item.envelopeFields, undefined);
  try {
    const record = new RecordSnapshot(stored, decodeEnvelope(stored.envelope), undefined);
    void [record.payload, record.result]; // damage shows here, not while somebody prints the list
    return record;
  } catch (error) {
    return new RecordSnapshot(stored, plainEnvelope(0), failureFrom(error, "ENVELOPE_DAMAGED"));
  }
}

function checkFilter(filter: Filter): RecordFilter {
  if (typeof filter !== "object" || filter === null) throw invalidArgument("filter", filter, "an object, {} for all");
  checkOptions("filter", filter, ["state", "queue", "name", "tag", "error", "before"]);
  const { state, queue, name, tag, error, before } = filter;
  if (state !== undefined && !STATES.includes(state))
    throw invalidArgument("filter.state", state, `one of ${STATES.join(", ")}`);
  if (tag !== undefined && !(Array.isArray(tag) && tag.length === 2 && tag.every((part) => typeof part === "string"))) {
    throw invalidArgument("filter.tag", tag, "a pair [key, value] of strings");
  }
  if (before !== undefined && !(before instanceof Date && before.getTime() >= 0))
    throw invalidArgument("filter.before", before, "a valid Date");
  if (error !== undefined && typeof error !== "string") throw invalidArgument("filter.error", error, "a string");
  return {
    ...(state === undefined ? {} : { state }),
    ...(queue === undefined ? {} : { queue: checkName("filter.queue", queue) }),
    ...(name === undefined ? {} : { name: checkName("filter.name", name) }),
    ...(tag === undefined ? {} : { tag }),
    ...(error === undefined ? {} : { error }),
    ...(before === undefined ? {} : { before: before.getTime() }),
  };
}

function isIds(which: readonly string[] | Filter): which is readonly string[] {
  return Array.isArray(which);
}

/** The public face of a driver's records. */
export class QueueRecords implements Records {
  readonly #engine: Engine;
  readonly #store: RecordStore;

  constructor(engine: Engine, store: RecordStore) {
    this.#engine = engine;
    this.#store = store;
  }

  static of(engine: Engine): QueueRecords {
    const driver: Driver = engine.driver;
    if (driver.records === undefined) {
      throw new UnsupportedError(
        "records",
        `${driver.name} cannot list or look up single jobs. Use a store (SQLite, memory …) or its factory's "records" option.`,
      );
    }
    return new QueueRecords(engine, driver.records);
  }

  async get(id: string): Promise<JobRecord | undefined> {
    if (typeof id !== "string") throw invalidArgument("id", id, "a string");
    const stored = await this.#call(() => this.#store.get(id));
    return stored === undefined ? undefined : recordOf(stored);
  }

  async list(
    filter: Filter = {},
    page: Readonly<{ limit?: number; cursor?: string | undefined }> = {},
  ): Promise<RecordsPage> {
    checkOptions("page", page, ["limit", "cursor"]);
    const limit = checkInteger("limit", page.limit ?? 100, 1, 1_000);
    const found = await this.#call(() => this.#store.list(checkFilter(filter), { limit, cursor: page.cursor }));
    return { jobs: found.jobs.map(recordOf), cursor: found.cursor };
  }

  async retry(which: readonly string[] | Filter): Promise<number> {
    // A job that fails again meanwhile comes to the end of the listing: without a bound the two could chase each other for ever.
    const { failed = Infinity } = isIds(which) ? {} : await this.#call(() => this.#engine.driver.stats());
    return this.#forEach(which, "failed", (ids) => this.#store.retry(ids), failed);
  }

  remove(which: readonly string[] | Filter): Promise<number> {
    // What was listed in a state may be retried before it is removed.
    return this.#forEach(which, undefined, (ids, state) => this.#store.remove(ids, state));
  }

  promote(which: readonly string[] | Filter): Promise<number> {
    return this.#forEach(which, "delayed", (ids) => this.#store.promote(ids));
  }

  /** In chunks, so that a million failed jobs are neither held in memory nor changed in one transaction. */
  async #forEach(
    which: readonly string[] | Filter,
    state: JobState | undefined,
    act: (ids: readonly string[], state?: JobState) => Promise<number>,
    most = Infinity,
  ): Promise<number> {
    if (isIds(which)) return this.#forEachId(which, act);
    const asked = checkFilter(which);
    refuseUndefined("filter", which);
    if (state !== undefined && asked.state !== undefined && asked.state !== state)
      throw invalidArgument("filter.state", asked.state, `"${state}" here`);
    const filter = state === undefined ? asked : { ...asked, state };
    let done = 0;
    let cursor: string | undefined;
    do {
      const page = await this.#call(() => this.#store.list(filter, { limit: CHUNK, cursor }));
      const ids = page.jobs.map((job) => job.id);
      if (ids.length > 0) done += await this.#call(() => act(ids, filter.state));
      cursor = page.cursor;
    } while (cursor !== undefined && done < most);
    return done;
  }

  async #forEachId(ids: readonly string[], act: (ids: readonly string[]) => Promise<number>): Promise<number> {
    for (const id of ids) if (typeof id !== "string") throw invalidArgument("id", id, "a string");
    let done = 0;
    for (let i = 0; i < ids.length; i += CHUNK) done += await this.#call(() => act(ids.slice(i, i + CHUNK)));
    return done;
  }

  async #call<T>(run: () => Promise<T>): Promise<T> {
    await this.#engine.ready();
    return this.#engine.call("records", run);
  }
}
