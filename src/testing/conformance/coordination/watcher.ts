import assert from "node:assert/strict";
import type { Clock, CoordinationStore, Revision, WatchEvent } from "../../../contract/index.ts";
import { sleep } from "../../../runtime/index.ts";

const AGAIN_AFTER_MS = 20;

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/**
 * A watch as a program uses it: what it was told becomes a state, and a watch that throws is started again. Checks on every event that
 * versions only rise and that a change tells something.
 */
export class Watcher {
  /** Values by key, as texts. */
  readonly state: Map<string, string> = new Map();
  readonly events: WatchEvent[] = [];
  readonly #versions = new Map<string, bigint>();
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #broken: unknown;

  constructor(store: CoordinationStore, clock: Clock, prefix: string, from: Revision | undefined) {
    this.#done = this.#run(store, clock, prefix, from);
  }

  /** @throws what a check found. */
  get keys(): readonly string[] {
    if (this.#broken !== undefined) throw this.#broken;
    return [...this.state.keys()].toSorted();
  }

  get resets(): number {
    return this.events.filter(({ kind }) => kind === "reset").length;
  }

  /** Resolves when the watch has ended. @throws what a check found. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.ended;
  }

  get ended(): Promise<void> {
    return this.#done.then(() => {
      if (this.#broken !== undefined) throw this.#broken;
    });
  }

  async #run(store: CoordinationStore, clock: Clock, prefix: string, from: Revision | undefined): Promise<void> {
    const { signal } = this.#stop;
    let start = from;
    for (;;) {
      try {
        const options = start === undefined ? { signal } : { from: start, signal };
        for await (const event of store.watch(prefix, options)) this.#apply(event, prefix);
        return;
      } catch (error) {
        if (error instanceof assert.AssertionError) {
          this.#broken = error;
          return;
        }
        if (signal.aborted) return;
        start = undefined;
        await sleep(clock, AGAIN_AFTER_MS, signal);
      }
    }
  }

  #apply(event: WatchEvent, prefix: string): void {
    this.events.push(event);
    assert.equal(typeof event.revision, "string", "a watch event carries a revision");
    if (event.kind === "reset") this.state.clear();
    else assert.ok(event.entries.length + event.removed.length > 0, "a change tells something");
    for (const { key, value, version } of event.entries) {
      assert.ok(key.startsWith(prefix), `the watch of ${prefix} told ${key}`);
      const known = this.#versions.get(key) ?? 0n;
      const told = BigInt(version);
      assert.ok(told >= known, `the version of ${key} fell from ${known} to ${told} in a watch`);
      if (event.kind === "change") assert.ok(told > known || !this.state.has(key), `${key} was told twice at ${told}`);
      this.#versions.set(key, told);
      this.state.set(key, textOf(value));
    }
    if (event.kind === "reset") return;
    for (const key of event.removed) this.state.delete(key);
  }
}
