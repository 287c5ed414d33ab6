import type { Clock, Revision } from "../../contract/index.ts";

/**
 * Consul forgets deletes after 15 minutes (tombstone_ttl): the index of a prefix can then fall back, and a watch that began from an old one would
 * never hear of them. So a revision says when it was given, and by whom.
 */
const HOLDS_MS = 300_000;

/** The revisions of one client: index, its monotonic time and its name. */
export class Revisions {
  readonly #clock: Clock;
  readonly #client = crypto.randomUUID();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  of(index: string): Revision {
    return [index, Math.floor(this.#clock.monotonic()), this.#client].join(" ");
  }

  /** Whether nothing has changed under a prefix, whose index is this now, since that revision. */
  holds(revision: Revision | undefined, index: string): boolean {
    const [since = "", at, client] = (revision ?? "").split(" ");
    if (client !== this.#client || !/^\d+$/.test(since)) return false;
    return this.#clock.monotonic() - Number(at) < HOLDS_MS && BigInt(index) <= BigInt(since);
  }
}
