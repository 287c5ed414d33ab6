import type { CoordinationEntry, Revision, WatchEvent } from "../../contract/index.ts";
import type { Bell } from "../../runtime/index.ts";
import type { Watching } from "../shared/guarded-store.ts";
import { WatchedState } from "../shared/watched-state.ts";
import type { KeptClient } from "./client/kept-client.ts";
import type { Layout } from "./coordination-layout.ts";
import type { Listing } from "./coordination-snapshot.ts";

type Watch = Readonly<{ prefix: string; bell: Bell }>;

/**
 * Watches of one client. The server tells of every change below an area once somebody watches in it, by the name of the node; that wakes those whose
 * prefix it has, and they read their prefix anew. Names of nodes only, so nothing has to be kept for one who is slow.
 */
export class CoordinationWatches {
  readonly #layout: Layout;
  readonly #watches = new Set<Watch>();

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  changed(path: string): void {
    const key = this.#layout.keyOfPath(path);
    if (key === undefined) return;
    for (const { prefix, bell } of this.#watches) if (key.startsWith(prefix)) bell.ring();
  }

  /** Anything may have changed. */
  doubt(): void {
    for (const { bell } of this.#watches) bell.ring();
  }

  async *watch(
    client: KeptClient,
    prefix: string,
    { from, over, bell }: Watching,
    read: () => Promise<Listing>,
  ): AsyncGenerator<WatchEvent, void, undefined> {
    const watch: Watch = { prefix, bell };
    this.#watches.add(watch);
    try {
      // Before the state is read: a change in between rings.
      await client.watch(this.#layout.area(prefix));
      yield* follow(bell, from, over, read);
    } finally {
      this.#watches.delete(watch);
    }
  }
}

async function* follow(
  bell: Bell,
  from: Revision | undefined,
  over: AbortSignal,
  read: () => Promise<Listing>,
): AsyncGenerator<WatchEvent, void, undefined> {
  const state = new WatchedState();
  const first = await read();
  const known = knownAt(first, from);
  if (known === undefined) yield state.reset(first.entries, String(first.zxid));
  else state.reset(known, String(first.zxid));
  for (let { entries, zxid } = first; !over.aborted; { entries, zxid } = await read()) {
    const event = state.change(entries, String(zxid));
    if (event !== undefined) yield event;
    if (!over.aborted) await bell.wait();
    if (over.aborted) return;
  }
}

/** What the caller knows who has seen the state at `from`; undefined where that cannot be said, because a key came or went since. */
function knownAt(
  { entries, pzxid, zxid }: Listing,
  from: Revision | undefined,
): readonly CoordinationEntry[] | undefined {
  if (from === undefined || !/^\d+$/.test(from)) return undefined;
  const since = BigInt(from);
  if (since < pzxid || since > zxid) return undefined;
  return entries.filter(({ version }) => BigInt(version) <= since);
}
