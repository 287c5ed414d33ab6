import { sleep, systemClock } from "../../runtime/index.ts";
import type { RedisConnection } from "./clients/connection.ts";
import type { Partition } from "./keys.ts";
import type { RedisStore } from "./store.ts";
import { within } from "./store.ts";

/** Server time of one BLPOP. It ends by itself, so that a connection that is only half there is noticed. */
const BLOCK_SECONDS = 5;
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 1_000;
/** Between two markers that led to no job: a paused queue, or jobs that wait for a free slot. */
const REST_MS = 10;

export type Listeners = Readonly<{
  /** The queues for which somebody waits. */
  queues: () => readonly string[];
  /** One of those who wait on it looks, and tells whether it found something; undefined when nobody waits. */
  wake: (queue: string) => Promise<boolean> | undefined;
}>;

/**
 * One blocking connection for one partition: BLPOP on the markers of all queues for which somebody waits here. The server gives a marker to
 * one of all that block, so a push wakes one process; whoever claims and leaves jobs sets the marker again. A list of our own is blocked on
 * too: pushing to it ends the BLPOP when other queues are wanted.
 */
export class WakeUps {
  readonly #store: RedisStore;
  readonly #partition: Partition;
  readonly #listeners: Listeners;
  readonly #nudgeKey: string;
  readonly #stop = new AbortController();
  #connection: RedisConnection | undefined;
  #blockedOn: ReadonlySet<string> = new Set();
  #running = false;

  constructor(store: RedisStore, partition: Partition, name: string, listeners: Listeners) {
    this.#store = store;
    this.#partition = partition;
    this.#listeners = listeners;
    this.#nudgeKey = `${partition.tag}nudge:${name}`;
  }

  /** Somebody waits on these queues. */
  start(queues: readonly string[]): void {
    if (this.#stop.signal.aborted) return;
    if (!this.#running) {
      this.#running = true;
      void this.#run();
      return;
    }
    if (this.#blockedOn.size > 0 && queues.some((queue) => !this.#blockedOn.has(queue))) this.#nudge();
  }

  close(): void {
    this.#stop.abort();
    this.#connection?.close();
    this.#connection = undefined;
  }

  /** A nudge that fails is made good by the poll of those who wait. */
  #nudge(): void {
    this.#blockedOn = new Set();
    const { route } = this.#partition;
    const { connection } = this.#store;
    connection.send(["RPUSH", this.#nudgeKey, "1"], route).then(
      () => connection.send(["PEXPIRE", this.#nudgeKey, "60000"], route).catch(() => undefined),
      () => undefined,
    );
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let pause = FIRST_PAUSE_MS;
    for (;;) {
      if (signal.aborted || this.#listeners.queues().length === 0) break;
      try {
        this.#connection ??= await this.#store.connection.duplicate("blocking");
        if (signal.aborted) break;
        // Read only now: who began to wait while it connected is nudged by nobody.
        const queues = this.#listeners.queues();
        if (queues.length > 0) await this.#block(this.#connection, queues);
        pause = FIRST_PAUSE_MS;
      } catch {
        // Those who wait look by themselves meanwhile, and tell what they meet.
        this.#connection?.close();
        this.#connection = undefined;
        await sleep(systemClock, pause, signal);
        pause = Math.min(pause * 2, MAX_PAUSE_MS);
      }
    }
    this.#running = false;
    if (signal.aborted) this.close();
  }

  async #block(connection: RedisConnection, queues: readonly string[]): Promise<void> {
    const wakeKey = `${this.#partition.tag}wake:`;
    this.#blockedOn = new Set(queues);
    const keys = [this.#nudgeKey, ...queues.map((queue) => wakeKey + queue)];
    const reply = await within(
      connection.send(["BLPOP", ...keys, String(BLOCK_SECONDS)], this.#partition.route),
      2 * BLOCK_SECONDS * 1_000,
      () => new Error("BLPOP was not answered"),
    );
    this.#blockedOn = new Set();
    if (reply === null || reply === undefined) return;
    const key = String((reply as readonly unknown[])[0]);
    if (!key.startsWith(wakeKey)) return;
    const queue = key.slice(wakeKey.length);
    const looked = this.#listeners.wake(queue);
    // Nobody here waits for it any more: another process may.
    if (looked !== undefined) {
      if (!(await looked)) await sleep(systemClock, REST_MS, this.#stop.signal);
    } else await this.#store.connection.send(["RPUSH", key, "1"], this.#partition.route);
  }
}
