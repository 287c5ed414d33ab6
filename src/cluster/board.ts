import type { ClusterKeys } from "./keys.ts";
import type { Leadership } from "./election.ts";
import { bytesOfJson, objectOf } from "./json-bytes.ts";
import type { StoreLink } from "./store-link.ts";

/** Values that the leader keeps for everybody, each under a key. A write counts only while its leader still leads: the store compares. */
export class Board {
  readonly #link: StoreLink;
  readonly #keys: ClusterKeys;

  constructor(link: StoreLink, keys: ClusterKeys) {
    this.#link = link;
    this.#keys = keys;
  }

  /** false: another one leads. */
  async put(name: string, value: object, leadership: Leadership): Promise<boolean> {
    const write = { put: this.#keys.board(name), value: bytesOfJson(value) };
    const { ok } = await this.#link.ask("Writing for all nodes", () =>
      this.#link.store.transact([leadership.guard], [write]),
    );
    return ok;
  }

  /** undefined while there is none. */
  async read(name: string): Promise<Readonly<Record<string, unknown>> | undefined> {
    const key = this.#keys.board(name);
    const entry = await this.#link.ask("Reading what the leader wrote", () => this.#link.store.get(key));
    return entry === undefined ? undefined : objectOf(entry.value);
  }

  /** How many bytes of a value the store takes. */
  get valueBytes(): number {
    return this.#link.store.capabilities.limits.valueBytes;
  }

  /** Tells the value that is there, and each that follows, until the signal fires. */
  async follow(
    name: string,
    signal: AbortSignal,
    told: (value: Readonly<Record<string, unknown>>) => void,
  ): Promise<void> {
    const key = this.#keys.board(name);
    let last: string | undefined;
    await this.#link.follow(key, signal, (state) => {
      const entry = state.get(key);
      if (entry === undefined || entry.version === last) return;
      last = entry.version;
      const value = objectOf(entry.value);
      if (value !== undefined) told(value);
    });
  }
}
