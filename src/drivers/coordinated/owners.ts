import type { Clock, CoordinationStore, WatchEvent } from "../../contract/index.ts";
import type { Keys } from "./keys.ts";

/** How often all names are listed: for those that came and went between two looks. */
const LIST_EVERY_MS = 30_000;

/**
 * Which processes live, and since when others are gone, as this one saw it. A death counts from when it was seen, which is never before the session
 * ended in the store.
 */
export class Owners {
  readonly #store: CoordinationStore;
  readonly #keys: Keys;
  readonly #clock: Clock;
  #alive = new Set<string>();
  readonly #deadSince = new Map<string, number>();
  #listedAt = -Infinity;
  /** Seen so far. */
  deaths = 0;

  constructor(store: CoordinationStore, keys: Keys, clock: Clock) {
    this.#store = store;
    this.#keys = keys;
    this.#clock = clock;
  }

  readonly saw = (event: WatchEvent): void => {
    const came = event.entries.map(({ key }) => this.#nameIn(key));
    const gone =
      event.kind === "reset"
        ? [...this.#alive].filter((owner) => !came.includes(owner))
        : event.removed.map((key) => this.#nameIn(key));
    for (const owner of came) {
      this.#alive.add(owner);
      this.#deadSince.delete(owner);
    }
    for (const owner of gone) this.#died(owner);
  };

  /** Finds those that nobody watched. */
  async list(): Promise<void> {
    if (this.#clock.monotonic() - this.#listedAt < LIST_EVERY_MS) return;
    const [known, alive] = [await this.all(), await this.#store.list(this.#keys.living)];
    const living = new Set(alive.entries.map(({ key }) => this.#nameIn(key)));
    for (const owner of known) if (!living.has(owner)) this.#died(owner);
    this.#listedAt = this.#clock.monotonic();
  }

  async all(): Promise<readonly string[]> {
    const { entries } = await this.#store.list(this.#keys.owners);
    return entries.map(({ key }) => key.slice(this.#keys.owners.length));
  }

  /** Its place among those that live. */
  rankOf(owner: string | undefined): Readonly<{ mine: number; of: number }> {
    let mine = 0;
    if (owner !== undefined) for (const other of this.#alive) if (other < owner) mine += 1;
    const of = Math.max(1, this.#alive.size);
    // It may not have seen itself yet.
    return { mine: mine % of, of };
  }

  get dead(): readonly string[] {
    return [...this.#deadSince.keys()];
  }

  /** How long it has been gone. */
  deadForMs(owner: string): number {
    return this.#clock.monotonic() - (this.#deadSince.get(owner) ?? Infinity);
  }

  /** Nothing of it is left, or it lives after all. */
  forget(owner: string): void {
    this.#deadSince.delete(owner);
  }

  #died(owner: string): void {
    this.#alive.delete(owner);
    if (this.#deadSince.has(owner)) return;
    this.#deadSince.set(owner, this.#clock.monotonic());
    this.deaths += 1;
  }

  #nameIn(key: string): string {
    return key.slice(this.#keys.living.length);
  }
}
