import type { Clock } from "../../contract/index.ts";
import { type Bell, sleep } from "../../runtime/index.ts";
import { areaOf } from "../shared/coordination-arguments.ts";
import type { KeyValues, Rows } from "./client/key-values.ts";

/** How long Consul keeps a query that has nothing to tell. Each end of one reads the state, whatever was missed. */
const WAIT_MS = 5_000;
/**
 * Each query holds a connection of its own, and Consul takes 200 of one machine. Whoever comes when there are so many shares one query of the whole
 * area with the others, and is woken by all that happens there.
 */
const MAX_NARROW = 20;
/** Consul also wakes queries of a prefix without keys, for whatever is written elsewhere. So there is a pause after an answer that tells nothing. */
const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 100;

/** One watch's part in a query. Its bell rings when there may be something new. */
export type Ticket = Readonly<{
  /** The newest state that the query read of its scope, once it read one. @throws what ended the query. */
  latest: () => Rows | undefined;
  leave: () => void;
}>;

/** The blocking queries of one client, one for all watches of a prefix. */
export class BlockingQueries {
  readonly #keys: KeyValues;
  readonly #clock: Clock;
  readonly #queries = new Map<string, BlockingQuery>();

  constructor(keys: KeyValues, clock: Clock) {
    this.#keys = keys;
    this.#clock = clock;
  }

  /** `known`: what was read of this prefix just now. The query may still have an older state. */
  join(prefix: string, known: Rows, bell: Bell): Ticket {
    const narrow = this.#running(prefix);
    if (narrow !== undefined) return narrow.join(bell);
    if (this.#queries.size < MAX_NARROW) return this.#start(prefix, known).join(bell);
    const area = `${areaOf(prefix)}/`;
    return (this.#running(area) ?? this.#start(area, undefined)).join(bell);
  }

  /** One that has ended rings no bell any more. */
  #running(scope: string): BlockingQuery | undefined {
    const query = this.#queries.get(scope);
    return query?.isOver === false ? query : undefined;
  }

  #start(scope: string, known: Rows | undefined): BlockingQuery {
    const query = new BlockingQuery(this.#keys, this.#clock, scope, known);
    this.#queries.set(scope, query);
    void query.run().finally(() => {
      if (this.#queries.get(scope) === query) this.#queries.delete(scope);
    });
    return query;
  }
}

class BlockingQuery {
  readonly #keys: KeyValues;
  readonly #clock: Clock;
  readonly #scope: string;
  readonly #bells = new Set<Bell>();
  readonly #over = new AbortController();
  #latest: Rows | undefined;
  #failure: Readonly<{ error: unknown }> | undefined;

  constructor(keys: KeyValues, clock: Clock, scope: string, known: Rows | undefined) {
    this.#keys = keys;
    this.#clock = clock;
    this.#scope = scope;
    this.#latest = known;
  }

  get isOver(): boolean {
    return this.#over.signal.aborted;
  }

  join(bell: Bell): Ticket {
    this.#bells.add(bell);
    return {
      latest: () => {
        if (this.#failure !== undefined) throw this.#failure.error;
        return this.#latest;
      },
      leave: () => {
        this.#bells.delete(bell);
        if (this.#bells.size === 0) this.#over.abort();
      },
    };
  }

  /** Until nobody takes part any more, or something fails, which all are told. Never rejects. */
  async run(): Promise<void> {
    const { signal } = this.#over;
    let pause = FIRST_PAUSE_MS;
    try {
      while (!signal.aborted) {
        const before = this.#latest;
        const sentAt = this.#clock.monotonic();
        const next = await this.#read(before, signal);
        this.#latest = next;
        if (before === undefined || !isSame(before, next)) {
          pause = FIRST_PAUSE_MS;
          for (const bell of this.#bells) bell.ring();
        } else if (this.#clock.monotonic() - sentAt < WAIT_MS / 2) {
          await sleep(this.#clock, pause, signal);
          pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
        }
      }
    } catch (error) {
      this.#over.abort();
      this.#failure = { error };
      for (const bell of this.#bells) bell.ring();
    }
  }

  #read(before: Rows | undefined, signal: AbortSignal): Promise<Rows> {
    return before === undefined
      ? this.#keys.list(this.#scope, signal)
      : this.#keys.wait(this.#scope, before.index, WAIT_MS, signal);
  }
}

function isSame(before: Rows, next: Rows): boolean {
  if (before.rows.length !== next.rows.length) return false;
  return before.rows.every(({ key, modifyIndex }, at) => {
    const row = next.rows[at];
    return row?.key === key && row.modifyIndex === modifyIndex;
  });
}
