import type { CoordinationEntry } from "../contract/index.ts";
import { JobferryError } from "../errors/index.ts";
import { idOfSequence, nextSequence, sleep, type KeptSession } from "../runtime/index.ts";
import { bytesOfJson, objectOf } from "./json-bytes.ts";
import type { StoreLink } from "./store-link.ts";

const AGAIN_AFTER_MS = 50;
/** Listings without one's own place, before it is taken for removed: some seconds. */
const MISSING_LOOKS = 12;

/** In the order in which they were put. */
export function inOrder(entries: Iterable<CoordinationEntry>): readonly CoordinationEntry[] {
  return [...entries].toSorted((a, b) => (BigInt(a.version) < BigInt(b.version) ? -1 : 1));
}

/** Those who stand in a line, in its order: without the marks of those who left. */
export function standing(entries: Iterable<CoordinationEntry>): readonly CoordinationEntry[] {
  return inOrder([...entries].filter((entry) => !hasLeft(entry)));
}

/** Whether it only keeps a put that may still arrive from making the place once more (docs/adr/0151). */
export function hasLeft({ value }: CoordinationEntry): boolean {
  return objectOf(value)?.["left"] === true;
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
  readonly #leave: () => Promise<void>;

  private constructor(
    link: StoreLink,
    line: string,
    key: string,
    token: bigint,
    session: KeptSession,
    leave: () => Promise<void>,
  ) {
    this.#link = link;
    this.#line = line;
    this.key = key;
    this.token = token;
    this.session = session;
    this.#leave = leave;
  }

  /** One request when all goes well. */
  static async take(link: StoreLink, line: string, nodeId: string, session: KeptSession): Promise<Place> {
    const id = idOfSequence(nextSequence());
    const key = `${line}${id}`;
    let mayArrive = false;
    // A put that arrives after the key was removed would stand in the line for as long as the session lives, and nobody would know of it.
    const leave = (): Promise<void> =>
      mayArrive
        ? link.replaceOwned(key, bytesOfJson({ node: nodeId, id, left: true }), session)
        : link.removeOwned(key, session);
    try {
      const value = bytesOfJson({ node: nodeId, id });
      const version = await link.putOwned(key, value, session, () => (mayArrive = true));
      return new Place(link, line, key, BigInt(version), session, leave);
    } catch (error) {
      if (mayArrive && session.isLive) await leave().catch(() => undefined); // what it met is told
      throw error;
    }
  }

  /** The next one is first. */
  leave(): Promise<void> {
    return this.#leave();
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
    return standing(entries).findLast(({ version }) => BigInt(version) < this.token);
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
          if (seen === undefined ? event.kind === "reset" : hasLeft(seen)) return;
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
