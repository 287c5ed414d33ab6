import type { CoordinationEntry } from "../contract/index.ts";
import { JobferryError } from "../errors/index.ts";
import { idOfSequence, nextSequence, sleep, type KeptSession } from "../runtime/index.ts";
import { bytesOfJson } from "./json-bytes.ts";
import type { StoreLink } from "./store-link.ts";

const AGAIN_AFTER_MS = 50;
/** Listings without one's own place, before it is taken for removed: some seconds. */
const MISSING_LOOKS = 12;

/** In the order in which they were put. */
export function inOrder(entries: Iterable<CoordinationEntry>): readonly CoordinationEntry[] {
  return [...entries].toSorted((a, b) => (BigInt(a.version) < BigInt(b.version) ? -1 : 1));
}

/**
 * A place in a line of keys, one for each who holds or waits, under their sessions. The version of the key is the place: versions rise, so
 * nobody can ever come in front of it, and who is first stays first until its key goes. The same number is the fencing token.
 */
export class Place {
  readonly key: string;
  readonly token: bigint;
  readonly session: KeptSession;
  readonly #link: StoreLink;
  readonly #line: string;

  private constructor(link: StoreLink, line: string, key: string, token: bigint, session: KeptSession) {
    this.#link = link;
    this.#line = line;
    this.key = key;
    this.token = token;
    this.session = session;
  }

  /** One request when all goes well. */
  static async take(link: StoreLink, line: string, nodeId: string, session: KeptSession): Promise<Place> {
    const id = idOfSequence(nextSequence());
    const key = `${line}${id}`;
    const version = await link.putOwned(key, bytesOfJson({ node: nodeId, id }), session);
    return new Place(link, line, key, BigInt(version), session);
  }

  async leave(): Promise<void> {
    await this.#link.removeOwned(this.key, this.session);
  }

  /**
   * Who stands directly in front; undefined for the first. One request when all goes well.
   * @throws the session's reason when the place is gone with it. SESSION_LOST when it is gone without it: somebody removed it.
   */
  async predecessor(): Promise<CoordinationEntry | undefined> {
    const look = "Looking at a lock's line";
    let missing = 0;
    const entries = await this.#link.repeat(look, this.session, async () => {
      const listed = await this.#link.store.list(this.#line);
      if (listed.entries.some(({ key }) => key === this.key)) return listed.entries;
      // Without our own place it was read where that is not known, so those in front can be missing too; or our session has ended.
      await this.session.doubt();
      missing += 1;
      return missing < MISSING_LOOKS ? undefined : "gone";
    });
    if (entries === "gone") throw placeGone();
    if (!this.session.isLive) throw this.session.lost.reason;
    return inOrder(entries).findLast(({ version }) => BigInt(version) < this.token);
  }

  /**
   * Resolves when that entry has gone, or the signal fires. Each who waits watches one key, the one in front: a release wakes one of them
   * and not the whole line.
   */
  async until(gone: CoordinationEntry, signal: AbortSignal): Promise<void> {
    const { store, clock } = this.#link;
    while (!signal.aborted) {
      try {
        for await (const event of store.watch(gone.key, { signal })) {
          if (event.kind === "change" && event.removed.includes(gone.key)) return;
          const seen = event.entries.find(({ key }) => key === gone.key);
          if (event.kind === "reset" && seen === undefined) return;
        }
        if (signal.aborted) return;
      } catch (error) {
        if (signal.aborted) return;
        this.#link.report(error, "A watch");
      }
      await sleep(clock, AGAIN_AFTER_MS * (0.5 + clock.random()), signal);
    }
  }
}

function placeGone(): JobferryError {
  return new JobferryError(
    "SESSION_LOST",
    "The place in a lock's line is gone although its session lives: somebody removed it, or the store lost it. Ask for the lock again.",
    { retryable: true },
  );
}
