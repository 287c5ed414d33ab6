import type { Clock, CoordinationEntry } from "../../contract/index.ts";
import type { JobStore } from "./job-store.ts";
import type { Shelved } from "./shelves.ts";

const MOST_SPREAD = 63;
/** Places to look at for each other process, when it is met. With 4 about one claim in four is spoiled, with 1 most of them. */
const PLACES_A_PROCESS = 4;
/** Successful claims after which one place less is looked at. */
const CALM_AFTER = 4;
/** Buckets whose rest is remembered. */
const REMEMBERED = 32;

/** As long as the marker is the same, nothing was added to the bucket. */
type Rest = Readonly<{ version: string; entries: readonly Shelved[] }>;

/**
 * How one process keeps out of the way of others that claim from the same queue. As long as it is alone it takes the first jobs in order. Each claim that
 * others spoiled makes it look at one place more, chosen by chance; claims that succeed take that back. What a listing brought and a claim did not take is
 * kept for the next one: the claim compares versions, so what is old costs a round trip and nothing else.
 */
export class Contention {
  readonly #clock: Clock;
  /** How many other processes there are; they need not claim. */
  readonly #others: () => number;
  readonly #rests = new Map<string, Rest>();
  #expected: Readonly<{ queue: string; markers: readonly CoordinationEntry[] }> = { queue: "", markers: [] };
  #spread = 0;
  #calm = 0;

  constructor(clock: Clock, others: () => number) {
    this.#others = others;
    this.#clock = clock;
  }

  took(keys: readonly string[]): void {
    const taken = new Set(keys);
    for (const [bucket, { version, entries }] of this.#rests) {
      const left = entries.filter(({ key }) => !taken.has(key));
      if (left.length === 0) this.#rests.delete(bucket);
      else if (left.length < entries.length) this.#rests.set(bucket, { version, entries: left });
    }
    this.#calm += 1;
    if (this.#calm < CALM_AFTER || this.#spread === 0) return;
    this.#calm = 0;
    this.#spread -= 1;
  }

  /** This process itself took jobs away that may be remembered here. */
  forget(): void {
    this.#rests.clear();
  }

  lost(): void {
    this.forget();
    this.#calm = 0;
    this.#spread = Math.min(MOST_SPREAD, Math.max(this.#spread * 2 + 1, PLACES_A_PROCESS * this.#others()));
  }

  /** Then one place is enough for a claim: each more is a request, in which others come first. */
  get isContended(): boolean {
    return this.#spread > 0;
  }

  /** Buckets of the first priority begin at a place of chance; the others follow in order. */
  order(
    markers: readonly CoordinationEntry[],
    groupOf: (marker: CoordinationEntry) => string,
  ): readonly CoordinationEntry[] {
    const [first] = markers;
    if (this.#spread === 0 || first === undefined) return markers;
    const same = markers.filter((marker) => groupOf(marker) === groupOf(first)).length;
    const start = this.#chance(Math.min(same, this.#spread + 1));
    return [...markers.slice(start, same), ...markers.slice(0, start), ...markers.slice(same)];
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
    for (const marker of this.#expected.markers) {
      if (left <= 0) return;
      const known = this.#rests.get(marker.key);
      left -= (known ?? { entries: await this.entries(js, marker) }).entries.length;
      // One request: further ones would take as long as the claim itself.
      if (known === undefined) return;
    }
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
