import type { Clock, CoordinationEntry } from "../../contract/index.ts";
import { fnv1a } from "../shared/fnv1a.ts";
import type { JobStore } from "./job-store.ts";
import type { Shelved } from "./shelves.ts";

const MOST_SPREAD = 63;
/** Places to choose from for each other process, when it is met. With 4 about one claim in four is spoiled where all choose by chance, with 1 most of them. */
const PLACES_A_PROCESS = 4;
/** Successful claims after which one place less is chosen from. */
const CALM_AFTER = 4;
const PROVEN_AFTER = 3;
/** Of claims, that look where everybody may: what fell to a process that takes nothing must not wait for ever. */
const ANYWHERE = 1 / 16;
/** For the buckets of one claim so many are listed for each process: about half of those that fall to this one. */
const LOOK_AHEAD = 2;
const MOST_MARKERS = 256;
/** Buckets whose rest is remembered. */
const REMEMBERED = 32;

/** Which one of the living processes this is; they need not claim. */
export type Rank = Readonly<{ mine: number; of: number }>;

/** As long as the marker is the same, nothing was added to the bucket. */
type Rest = Readonly<{ version: string; entries: readonly Shelved[] }>;

/**
 * How one process keeps out of the way of others that claim from the same queue. As long as it is alone it takes the first jobs in order. Each claim that
 * others spoiled makes it take others: mostly buckets that fall to it, as each falls to one of the processes that live, and else at a place of chance. Claims that
 * succeed take that back. What a listing brought and a claim did not take is kept for the next one: the claim compares versions, so what is old costs a round trip
 * and nothing else.
 */
export class Contention {
  readonly #clock: Clock;
  readonly #rank: () => Rank;
  readonly #rests = new Map<string, Rest>();
  #expected: Readonly<{ queue: string; markers: readonly CoordinationEntry[] }> = { queue: "", markers: [] };
  #spread = 0;
  #calm = 0;
  /** Claims in a row that nobody spoiled. */
  #unspoiled = 0;

  constructor(clock: Clock, rank: () => Rank) {
    this.#rank = rank;
    this.#clock = clock;
  }

  took(taken: ReadonlySet<string>): void {
    for (const [bucket, { version, entries }] of this.#rests) {
      const left = entries.filter(({ key }) => !taken.has(key));
      if (left.length === 0) this.#emptied(bucket);
      else if (left.length < entries.length) this.#rests.set(bucket, { version, entries: left });
    }
    this.#unspoiled += 1;
    this.#calm += 1;
    if (this.#calm < CALM_AFTER || this.#spread === 0) return;
    this.#calm = 0;
    this.#spread -= 1;
  }

  /** Not read ahead any more. */
  #emptied(bucket: string): void {
    this.#rests.delete(bucket);
    const { queue, markers } = this.#expected;
    this.#expected = { queue, markers: markers.filter(({ key }) => key !== bucket) };
  }

  /** This process itself took jobs away that may be remembered here. */
  forget(): void {
    this.#rests.clear();
  }

  lost(): void {
    this.forget();
    this.#calm = 0;
    this.#unspoiled = 0;
    const { of } = this.#rank();
    // A pause, or the end of the session: there is nobody to keep out of the way of.
    if (of === 1) return;
    this.#spread = Math.min(MOST_SPREAD, Math.max(this.#spread * 2 + 1, PLACES_A_PROCESS * (of - 1)));
  }

  get isContended(): boolean {
    return this.#spread > 0;
  }

  /** Other processes live that may claim as well, and it was not seen yet whether they do: then a claim is small, as all of it may be spoiled. */
  get isUnproven(): boolean {
    return !this.isContended && this.#unspoiled < PROVEN_AFTER && this.#rank().of > 1;
  }

  /** How many markers are worth a look for a claim of so many buckets. */
  lookFor(buckets: number): number {
    return this.isContended ? Math.min(MOST_MARKERS, buckets * LOOK_AHEAD * this.#rank().of) : buckets;
  }

  /** Buckets of the first priority that are taken first, as many as one claim takes. None where nobody else claims. */
  chosen(
    markers: readonly CoordinationEntry[],
    groupOf: (marker: CoordinationEntry) => string,
    buckets: number,
  ): readonly CoordinationEntry[] {
    const [first] = markers;
    if (!this.isContended || first === undefined) return [];
    const same = markers.filter((marker) => groupOf(marker) === groupOf(first));
    const { mine, of } = this.#rank();
    const fallen = same.filter(({ key }) => fnv1a(key) % of === mine);
    if (fallen.length > 0 && this.#clock.random() >= ANYWHERE) return fallen.slice(0, buckets);
    const places = Math.min(Math.ceil(same.length / buckets), this.#spread + 1);
    const start = buckets * this.#chance(places);
    return same.slice(start, start + buckets);
  }

  async entries({ shelves }: JobStore, marker: CoordinationEntry): Promise<readonly Shelved[]> {
    const rest = this.#rests.get(marker.key);
    if (rest?.version === marker.version) return rest.entries;
    const entries = await shelves.entries(marker);
    if (entries.length === 0) return entries;
    const [oldest] = this.#rests.keys();
    if (this.#rests.size >= REMEMBERED && oldest !== undefined) this.#rests.delete(oldest);
    this.#rests.set(marker.key, { version: marker.version, entries });
    return entries;
  }

  expect(queue: string, markers: readonly CoordinationEntry[]): void {
    this.#expected = { queue, markers };
  }

  /** Of the next claim on this queue. What it reads counts only under the markers that it was expected by. */
  async readAhead(js: JobStore, queue: string, want: number): Promise<void> {
    if (this.isContended || this.#expected.queue !== queue) return;
    let left = want;
    const reads: Promise<unknown>[] = [];
    for (const marker of this.#expected.markers) {
      if (left <= 0) break;
      const known = this.#rests.get(marker.key);
      if (known === undefined) reads.push(this.entries(js, marker));
      left -= known?.entries.length ?? js.shelves.bucketJobs;
    }
    await Promise.all(reads);
  }

  share(entries: readonly Shelved[], want: number): readonly Shelved[] {
    if (this.#spread === 0) return entries.slice(0, want);
    const start = this.#chance(entries.length - want + 1);
    return entries.slice(start, start + want);
  }

  #chance(below: number): number {
    return Math.floor(this.#clock.random() * Math.max(1, below));
  }
}
