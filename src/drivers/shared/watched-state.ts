import type { CoordinationEntry, Revision, Version, WatchEvent } from "../../contract/index.ts";

/**
 * What one watcher was told so far. A store that can only say "something changed" gives it the whole state and gets the event to yield:
 * level-triggered by construction, with no buffer that could overflow.
 */
export class WatchedState {
  readonly #versions = new Map<string, Version>();

  reset(entries: readonly CoordinationEntry[], revision: Revision): WatchEvent {
    this.#versions.clear();
    for (const { key, version } of entries) this.#versions.set(key, version);
    return { kind: "reset", entries, revision };
  }

  /** @returns undefined when the state is the one that was told. */
  change(state: readonly CoordinationEntry[], revision: Revision): WatchEvent | undefined {
    const entries = state.filter(({ key, version }) => this.#versions.get(key) !== version);
    const removed: string[] = [];
    const known = this.#versions.size + entries.filter(({ key }) => !this.#versions.has(key)).length;
    if (known > state.length) {
      const present = new Set(state.map(({ key }) => key));
      for (const key of this.#versions.keys()) if (!present.has(key)) removed.push(key);
    }
    if (entries.length === 0 && removed.length === 0) return undefined;
    for (const { key, version } of entries) this.#versions.set(key, version);
    for (const key of removed) this.#versions.delete(key);
    return { kind: "change", entries, removed, revision };
  }
}
