import type { Clock, CoordinationEntry, CoordinationStore, CoordinationWrite } from "../../contract/index.ts";
import { type Read, readJob } from "./damaged-job.ts";
import { encodeJob, type Kept } from "./job-value.ts";
import { type Keys, padded, readyGroup, type ShelfKind, sized } from "./keys.ts";
import { jobsAClaim, type Room } from "./limits.ts";

/** So many jobs, or bytes, a bucket takes at most. Whoever lists one on a store without limits gets all of it. */
const MOST_JOBS = 64;
const BUCKET_BYTES: number = 256 * 1024;
/** Buckets are taken in the order in which they were begun: one that is filled for long lets its newest jobs overtake those of others. */
const OLD_MS = 2_000;
const WORTH_ENDING = 8;
const OLDEST_MS = 30_000;
/** Buckets that are open at once; beyond them the oldest is ended. */
const MOST_OPEN = 512;
const TIME_DIGITS = 9;
/** Delays are put together with those of about the same time, in slices of this part of the delay at most. */
const SLICES_OF_DELAY = 8;
const SHORTEST_SLICE_MS = 1_024;
export const ENTRIES_AT_ONCE = 256;

/** `due`: of a delayed one, the earliest time in it. It stays as it is: markers of several transactions at once may be written in any order. */
type Open = { readonly bucket: string; readonly since: number; readonly due: number; jobs: number; bytes: number };

type RoomOfShelves = Pick<Room, "payloadBytes" | "operations" | "overwrite">;
export type Placed = Readonly<{ key: string; writes: readonly CoordinationWrite[] }>;
export type Shelved = Readonly<{ key: string; version: string }> & Read;

/**
 * Jobs that are ready, delayed, failed or completed lie in buckets, and each bucket has a marker. Only the process that began a bucket puts jobs into
 * it, and writes the marker with each; so producers never meet. Anybody may take jobs out, and delete the marker of a bucket that is empty if it did
 * not change since before the bucket was found empty.
 */
export class Shelves {
  readonly #store: CoordinationStore;
  readonly #keys: Keys;
  readonly #clock: Clock;
  readonly #room: RoomOfShelves;
  readonly #open = new Map<string, Open>();
  #owner = "";
  #made = 0;
  #lastTime = 0;

  constructor(store: CoordinationStore, keys: Keys, clock: Clock, room: RoomOfShelves) {
    this.#room = room;
    this.#store = store;
    this.#keys = keys;
    this.#clock = clock;
  }

  /** As many as one claim takes, with the bucket's marker: then it takes whole buckets, and no transaction is for a marker alone. */
  get bucketJobs(): number {
    return Math.max(WORTH_ENDING, Math.min(MOST_JOBS, jobsAClaim(this.#room) - 1));
  }

  /** Buckets of another session are another process's. */
  begin(owner: string): void {
    this.#owner = owner;
    this.#open.clear();
  }

  ready(job: Kept): Placed {
    return this.#place("r", readyGroup(job.queue, job.priority), job);
  }

  delayed(job: Kept): Placed {
    return this.#place("d", padded(sliceOf(job.availableAt, this.#clock.now()), TIME_DIGITS), job, job.availableAt);
  }

  failed(job: Kept): Placed {
    return this.#place("f", "", job);
  }

  completed(job: Kept): Placed {
    return this.#place("c", "", job);
  }

  #place(kind: ShelfKind, group: string, job: Kept, due = 0): Placed {
    const value = encodeJob(job);
    const open = this.#bucket(kind, group, due);
    const unused = open.jobs === 0;
    open.jobs += 1;
    open.bytes += value.length;
    this.#made += 1;
    const place = padded(this.#made, 8);
    const size = kind === "r" || kind === "d" ? sized(value.length) : "";
    const time = due === 0 ? "" : `${padded(due, TIME_DIGITS)}.`;
    const key = `${this.#keys.bucket(kind, open.bucket)}${time}${place}${size}`;
    const marker = Buffer.from(due === 0 ? "" : String(open.due));
    const writes = [
      // Made again after it was tidied away, and compared for that: the only key here that is not used `once`.
      { put: this.#keys.marker(kind, open.bucket), value: marker, ...(unused ? { unused } : {}) },
      { put: key, value, once: true, unused: true },
      { put: this.#keys.id(job.id), value: Buffer.from(key), once: true },
    ];
    return { key, writes };
  }

  #bucket(kind: ShelfKind, group: string, due: number): Open {
    const name = `${kind} ${group}`;
    const now = this.#clock.monotonic();
    const known = this.#open.get(name);
    if (known !== undefined && !isFull(known, now, this.bucketJobs) && known.due <= due) return known;
    this.#open.delete(name);
    const [oldest] = this.#open.keys();
    if (this.#open.size >= MOST_OPEN && oldest !== undefined) this.#open.delete(oldest);
    this.#lastTime = Math.max(this.#lastTime + 1, Math.floor(this.#clock.now()));
    const bucket = `${group === "" ? "" : `${group}.`}${padded(this.#lastTime, TIME_DIGITS)}-${this.#owner}`;
    const open = { bucket, since: now, due, jobs: 0, bytes: 0 };
    this.#open.set(name, open);
    return open;
  }

  /** Markers of buckets, in order. */
  async markers(
    kind: ShelfKind,
    options: Readonly<{ of?: string; limit?: number; after?: string }> = {},
  ): Promise<readonly CoordinationEntry[]> {
    const { of = "", ...rest } = options;
    return (await this.#store.list(`${this.#keys.markers(kind)}${of}`, rest)).entries;
  }

  async entries(
    marker: CoordinationEntry,
    options: Readonly<{ limit?: number; after?: string }> = {},
  ): Promise<readonly Shelved[]> {
    const { payloadBytes } = this.#room;
    const prefix = this.#keys.bucket(this.#keys.kindOf(marker.key), this.#keys.bucketOf(marker.key));
    const { entries } = await this.#store.list(prefix, { limit: ENTRIES_AT_ONCE, ...options });
    return entries.map(({ key, version, value }) => ({
      key,
      version,
      ...readJob(this.#keys, key, value, payloadBytes),
    }));
  }

  /** Of a bucket that was found empty after its marker was read. */
  async tidy({ key, version }: CoordinationEntry): Promise<void> {
    await this.#store.transact([{ key, version }], [{ delete: key }]);
  }
}

function isFull({ jobs, bytes, since }: Open, now: number, most: number): boolean {
  const age = now - since;
  return jobs >= most || bytes >= BUCKET_BYTES || age >= OLDEST_MS || (age >= OLD_MS && jobs >= WORTH_ENDING);
}

/** Where the slice begins in which this time lies. Slices grow with the delay, so their number stays small however far delays reach. */
function sliceOf(due: number, now: number): number {
  const wanted = Math.max(SHORTEST_SLICE_MS, (due - now) / SLICES_OF_DELAY);
  const length = 2 ** Math.ceil(Math.log2(wanted));
  return Math.floor(due / length) * length;
}
