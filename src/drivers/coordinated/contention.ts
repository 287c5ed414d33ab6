import type { Clock, CoordinationEntry } from "../../contract/index.ts";
import type { JobStore } from "./job-store.ts";
import type { Shelved } from "./shelves.ts";

const MOST_SPREAD = 16;
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
  readonly #rests = new Map<string, Rest>();
  #spread = 0;
  #calm = 0;

  constructor(clock: Clock) {
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
    this.#spread = Math.min(MOST_SPREAD, this.#spread * 2 + 1);
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

  share(entries: readonly Shelved[], want: number): readonly Shelved[] {
    if (this.#spread === 0) return entries.slice(0, want);
    const some = Math.max(1, Math.min(want, Math.ceil(entries.length / 2)));
    const start = this.#chance(entries.length - some + 1);
    return entries.slice(start, start + some);
  }

  #chance(below: number): number {
    return Math.floor(this.#clock.random() * Math.max(1, below));
  }
}
