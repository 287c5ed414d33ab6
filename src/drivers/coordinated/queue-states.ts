import type { CoordinationStore, Version, WatchEvent } from "../../contract/index.ts";
import { type Keys, segmentOf } from "./keys.ts";

export type QueueState = Readonly<{ name: string; isPaused: boolean; version: Version }>;

const MAX_KNOWN = 10_000;

/** Queues that were ever pushed to or paused, as a watch tells them. A claim compares the version, so what is not the newest harms nothing. */
export class QueueStates {
  readonly #store: CoordinationStore;
  readonly #keys: Keys;
  readonly #known = new Map<string, QueueState>();

  constructor(store: CoordinationStore, keys: Keys) {
    this.#store = store;
    this.#keys = keys;
  }

  readonly saw = (event: WatchEvent): void => {
    for (const { key, value, version } of event.entries) this.#keep(key, value, version);
  };

  /** A paused or unknown queue is asked for: it may not be so any more. */
  async of(queue: string): Promise<QueueState | undefined> {
    const known = this.#known.get(segmentOf(queue));
    return known === undefined || known.isPaused ? this.read(queue) : known;
  }

  async read(queue: string): Promise<QueueState | undefined> {
    const entry = await this.#store.get(this.#keys.queue(queue));
    return entry === undefined ? undefined : this.#keep(entry.key, entry.value, entry.version);
  }

  async register(queue: string): Promise<void> {
    if (this.#known.has(segmentOf(queue))) return;
    const key = this.#keys.queue(queue);
    await this.#store.transact([{ key, absent: true }], [{ put: key, value: encode(queue, false), once: true }]);
    await this.read(queue);
  }

  /** One whose answer never came may arrive behind a later one, and is refused then: so it is written also where nothing changes. */
  async setPaused(queue: string, isPaused: boolean): Promise<void> {
    const key = this.#keys.queue(queue);
    for (;;) {
      // Not what is known here: beside a store that was put back to an older state that may never be there again.
      const there = await this.#store.get(key);
      const unchanged =
        there === undefined ? ({ key, absent: true } as const) : { key, version: there.version, once: true };
      const { ok } = await this.#store.transact(
        [unchanged],
        [{ put: key, value: encode(queue, isPaused), once: true }],
      );
      if (ok) return void (await this.read(queue));
    }
  }

  async all(): Promise<readonly QueueState[]> {
    const { entries } = await this.#store.list(this.#keys.queues);
    return entries.map(({ key, value, version }) => this.#keep(key, value, version));
  }

  #keep(key: string, value: Uint8Array, version: Version): QueueState {
    const [name, paused] = JSON.parse(Buffer.from(value).toString()) as [string, 0 | 1];
    const state = { name, isPaused: paused === 1, version };
    const segment = key.slice(this.#keys.queues.length);
    const known = this.#known.get(segment);
    if (known !== undefined && BigInt(known.version) > BigInt(version)) return known;
    if (this.#known.size < MAX_KNOWN || known !== undefined) this.#known.set(segment, state);
    return state;
  }
}

function encode(name: string, isPaused: boolean): Uint8Array {
  return Buffer.from(JSON.stringify([name, isPaused ? 1 : 0]));
}
