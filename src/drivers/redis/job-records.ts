import type { JobState, RecordFilter, RecordPage, RecordStore, StoredJob } from "../../contract/index.ts";
import { invalidArgument } from "../../errors/index.ts";
import { portions } from "../shared/portions.ts";
import { BUCKET, bucketOf, failureOf, readSlim, RecordReader } from "./job-record.ts";
import { idField, partitionOfId } from "./keys.ts";
import type { Partition } from "./keys.ts";
import { MAX_ITEMS } from "./limits.ts";
import { queuesOf } from "./queue-names.ts";
import { scripts } from "./script.ts";
import { lastPlace } from "./statistics.ts";
import type { RedisStore } from "./store.ts";

/** Jobs that one step of a listing looks at. */
const STEP = 250;

type Seen = ReturnType<typeof readSlim> & Readonly<{ state: JobState; failure: ReturnType<typeof failureOf> }>;
type Page = Readonly<{ limit: number; cursor?: string | undefined }>;

/** `access` gives the open store, or throws NOT_OPEN or CLOSED. */
export function jobRecords(access: () => RedisStore): RecordStore {
  return {
    get: async (id) => getJob(access(), id),
    list: async (filter, page) => list(access(), filter, page),
    remove: (ids, state) => change(access, "remove", ids, state),
    retry: (ids) => change(access, "retry", ids),
    promote: (ids) => change(access, "promote", ids),
  };
}

function partitionFor(store: RedisStore, id: string): Partition {
  return store.partitions[partitionOfId(id, store.partitions.length)] as Partition;
}

async function getJob(store: RedisStore, id: string): Promise<StoredJob | undefined> {
  const parts = (await store.call(scripts.get, partitionFor(store, id), [idField(id)])) as readonly Buffer[];
  const [state, reservedAt, result] = parts;
  if (state === undefined || reservedAt === undefined || result === undefined) return undefined;
  const reserved = reservedAt.length === 0 ? undefined : Number(reservedAt.toString());
  const kept = result.length === 0 ? undefined : new Uint8Array(result.subarray(1));
  return new RecordReader(parts, 3).job(state.toString() as JobState, reserved, kept).job;
}

async function change(
  access: () => RedisStore,
  act: "remove" | "retry" | "promote",
  ids: readonly string[],
  state?: JobState,
): Promise<number> {
  const store = access();
  const byPartition = new Map<Partition, string[]>();
  for (const id of ids) {
    const partition = partitionFor(store, id);
    const some = byPartition.get(partition);
    if (some === undefined) byPartition.set(partition, [id]);
    else some.push(id);
  }
  let changed = 0;
  for (const [partition, some] of byPartition) {
    const upTo = await lastPlace(store, partition);
    for (const part of portions(some, MAX_ITEMS / 2))
      changed += (await store.call(scripts.change, partition, [
        act,
        upTo,
        state ?? "",
        ...part.map(idField),
      ])) as number;
  }
  return changed;
}

/**
 * The cursor is the place of the last job seen in each partition: places only rise, so what does not change its state keeps its order. Between
 * partitions the time decides, of the end or of the making.
 */
async function list(store: RedisStore, filter: RecordFilter, { limit, cursor }: Page): Promise<RecordPage> {
  const places = placesOf(cursor, store.partitions.length);
  const walks = store.partitions.map((partition, i) => new Walk(store, partition, filter, places[i] ?? 0));
  const found: Seen[] = [];
  for (;;) {
    const fronts = await Promise.all(walks.map((walk) => walk.front()));
    let first: number | undefined;
    for (const [i, job] of fronts.entries()) {
      const best = first === undefined ? undefined : fronts[first];
      if (job !== undefined && (best === undefined || timeOf(job) < timeOf(best))) first = i;
    }
    if (first === undefined) return { jobs: await load(store, found), cursor: undefined };
    if (found.length === limit) return { jobs: await load(store, found), cursor: places.join("-") };
    const job = walks[first]?.take();
    if (job === undefined) continue;
    places[first] = Number(job.place);
    found.push(job);
  }
}

const timeOf = ({ finishedAt, createdAt }: Seen): number => finishedAt ?? createdAt;

function placesOf(cursor: string | undefined, partitions: number): number[] {
  if (cursor === undefined) return Array.from({ length: partitions }, () => 0);
  const places = cursor.split("-");
  if (places.length !== partitions || !places.every((place) => /^\d{1,15}$/.test(place)))
    throw invalidArgument("cursor", cursor, "one that an earlier page gave");
  return places.map(Number);
}

/** The matching jobs of one partition behind a place, in the order of their places. */
class Walk {
  readonly #step: (after: number) => Promise<Step>;
  readonly #from: number;
  readonly #filter: RecordFilter;
  #after: number | undefined;
  #ahead: Seen[] = [];

  constructor(store: RedisStore, partition: Partition, filter: RecordFilter, from: number) {
    this.#step = (after) => step(store, partition, filter, after);
    this.#filter = filter;
    this.#from = from;
    this.#after = from;
  }

  async front(): Promise<Seen | undefined> {
    while (this.#ahead.length === 0 && this.#after !== undefined) {
      const { seen, next } = await this.#step(this.#after);
      this.#ahead = seen
        .filter((job) => Number(job.place) > this.#from && matches(job, this.#filter))
        .toSorted((a, b) => Number(a.place) - Number(b.place));
      this.#after = next;
    }
    return this.#ahead[0];
  }

  take(): Seen | undefined {
    return this.#ahead.shift();
  }
}

/** Whole jobs; one that went meanwhile is left out. */
async function load(store: RedisStore, found: readonly Seen[]): Promise<readonly StoredJob[]> {
  const jobs = await Promise.all(found.map(({ id }) => getJob(store, id)));
  return jobs.filter((job) => job !== undefined);
}

/** `next`: the place after which to go on; undefined at the end. */
type Step = Readonly<{ seen: readonly Seen[]; next: number | undefined }>;

/** Finished jobs have a line of their own in this order, few jobs are reserved, and all have a place in a bucket. */
async function step(store: RedisStore, partition: Partition, filter: RecordFilter, after: number): Promise<Step> {
  const { state } = filter;
  if (state === "reserved") return { seen: await reserved(store, partition, filter), next: undefined };
  if (state === "failed" || state === "completed") {
    const reply = await store.call(scripts.list, partition, [state, String(after), String(STEP)]);
    const { seen, goOn } = readStep(reply);
    return { seen, next: goOn === "" ? undefined : Number(goOn) };
  }
  // The next place after `after` may lie in the same bucket.
  const bucket = bucketOf(after + 1);
  const reply = await store.call(scripts.list, partition, ["index", String(bucket), String(STEP)]);
  const { seen, goOn } = readStep(reply);
  return { seen, next: goOn === "" ? undefined : Number(goOn) * BUCKET - 1 };
}

/** All of them: as many as workers have slots. */
async function reserved(store: RedisStore, partition: Partition, filter: RecordFilter): Promise<readonly Seen[]> {
  const all = new Map<string, Seen>();
  for (const queue of filter.queue === undefined ? await queuesOf(store, partition) : [filter.queue]) {
    for (let from = "0"; from !== "";) {
      const reply = await store.call(scripts.list, partition, ["reserved", from, String(STEP), queue]);
      const { seen, goOn } = readStep(reply);
      for (const job of seen) all.set(job.id, job);
      from = goOn;
    }
  }
  return [...all.values()];
}

function readStep(reply: unknown): Readonly<{ seen: readonly Seen[]; goOn: string }> {
  const [goOn, ...parts] = reply as readonly Buffer[];
  const seen: Seen[] = [];
  for (let i = 0; i < parts.length; i += 4) {
    const [, state, record, failure] = parts.slice(i, i + 4);
    if (state === undefined || record === undefined || failure === undefined) break;
    seen.push({ ...readSlim(record), state: state.toString() as JobState, failure: failureOf(failure) });
  }
  return { seen, goOn: String(goOn ?? "") };
}

function matches(job: Seen, { state, queue, name, tag, error, before }: RecordFilter): boolean {
  if (state !== undefined && job.state !== state) return false;
  if (queue !== undefined && job.queue !== queue) return false;
  if (name !== undefined && job.name !== name) return false;
  if (before !== undefined && (job.finishedAt ?? job.createdAt) >= before) return false;
  if (tag !== undefined && !(Object.hasOwn(job.tags, tag[0]) && job.tags[tag[0]] === tag[1])) return false;
  if (error === undefined) return true;
  const part = error.toLowerCase();
  return (
    job.failure !== undefined &&
    [job.failure.code, job.failure.message].some((text) => text.toLowerCase().includes(part))
  );
}
