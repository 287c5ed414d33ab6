import { Bell, sleep, systemClock } from "../../runtime/index.ts";
import type { Hints } from "../shared/prefix-watches.ts";
import type { RedisConnection } from "./clients/connection.ts";
import type { Partition } from "./keys.ts";
import { within } from "./store.ts";
import type { RedisStore } from "./store.ts";

const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 5_000;
const SUBSCRIBE_MS = 5_000;

export type Heard = Readonly<{ keys: (names: readonly string[]) => void; anything: () => void }>;

/**
 * Hears of changes on a connection of its own while somebody watches. Pub/sub and no stream that is read: a change then costs those who do not wait
 * for it no request. Messages can be lost; those who watch look every second anyway, and when that finds what was not told (`mend`) there is a new
 * connection.
 */
export class ChangeChannel implements Hints {
  readonly #store: RedisStore;
  readonly #partition: Partition;
  readonly #heard: Heard;
  #broken: Bell = new Bell();
  #stop: AbortController | undefined;

  constructor(store: RedisStore, partition: Partition, heard: Heard) {
    this.#store = store;
    this.#partition = partition;
    this.#heard = heard;
  }

  start(): void {
    if (this.#stop !== undefined) return;
    this.#stop = new AbortController();
    this.#broken = new Bell();
    void this.#run(this.#stop.signal, this.#broken);
  }

  stop(): void {
    this.#stop?.abort();
    this.#stop = undefined;
    this.#broken.ring();
  }

  mend(): void {
    this.#broken.ring();
  }

  /** Never rejects. */
  async #run(signal: AbortSignal, broken: Bell): Promise<void> {
    let pause = FIRST_PAUSE_MS;
    while (!signal.aborted) {
      let connection: RedisConnection | undefined;
      try {
        connection = await this.#store.connection.duplicate("blocking");
        if (!signal.aborted) await this.#listen(connection, signal, broken);
        pause = FIRST_PAUSE_MS;
      } catch {
        // Not there, or this user may not subscribe: watches look by themselves.
        await sleep(systemClock, pause, signal, { keepAlive: false });
        pause = Math.min(pause * 2, MAX_PAUSE_MS);
      } finally {
        connection?.close();
      }
    }
  }

  async #listen(connection: RedisConnection, signal: AbortSignal, broken: Bell): Promise<void> {
    const told = (names: string): void => {
      if (signal.aborted) return;
      // Nothing is named when there was no room for the names.
      if (names === "") this.#heard.anything();
      else this.#heard.keys(names.split(" "));
    };
    const channel = `${this.#partition.tag}c:changes`;
    await within(connection.subscribe(channel, told), SUBSCRIBE_MS, () => new Error("SUBSCRIBE was not answered"));
    // Before it listened something may have come.
    this.#heard.anything();
    await broken.wait();
  }
}
