import type { Clock, ExtendItem, ExtendResult, FinishItem, FinishResult } from "../../contract/index.ts";
import { UnsupportedError } from "../../errors/index.ts";
import type { Parcel } from "./message.ts";
import type { PostOffice, Posting } from "./posting.ts";
import type { Published } from "./publishing.ts";
import type { Held, Session } from "./session.ts";

type Ending = Readonly<{ item: FinishItem; token: string; held: Held }>;

/**
 * Ends reservations. Done is an acknowledgement; release and fail are a copy that is confirmed first. Acknowledgements are not confirmed by AMQP: one round
 * trip behind each batch shows that the server has read them, and a server that is killed right after can still bring the job back.
 */
export class Settling {
  readonly #clock: Clock;
  readonly #office: PostOffice;
  readonly #session: () => Session | undefined;
  readonly #maxDelayMs: () => number;

  constructor(clock: Clock, office: PostOffice, session: () => Session | undefined, maxDelayMs: () => number) {
    this.#maxDelayMs = maxDelayMs;
    this.#clock = clock;
    this.#office = office;
    this.#session = session;
  }

  async finish(items: readonly FinishItem[]): Promise<readonly FinishResult[]> {
    for (const item of items)
      if (item.outcome === "release" && item.delayMs > this.#maxDelayMs())
        throw new UnsupportedError("delay", `Delays go up to ${this.#maxDelayMs()} ms.`);
    const session = this.#session();
    const results: FinishResult[] = items.map(() => "lost");
    if (session === undefined) return results;
    const endings = new Map<number, Ending>();
    for (const [i, item] of items.entries()) {
      const token = String(item.reservation.token);
      const held = session.take(token);
      if (held !== undefined) endings.set(i, { item, token, held });
    }
    for (const [i, result] of await this.#endAll(session, endings)) results[i] = result;
    return results;
  }

  async #endAll(session: Session, endings: ReadonlyMap<number, Ending>): Promise<ReadonlyMap<number, FinishResult>> {
    if (endings.size === 0) return new Map();
    const copied = await this.#copy(endings);
    const results = new Map<number, FinishResult>();
    const acknowledged: number[] = [];
    for (const [i, { item, token, held }] of endings) {
      if (item.outcome === "done" || copied.get(i) === "confirmed") acknowledged.push(i);
      else {
        // The original is held still: the same finish can be tried again.
        session.putBack(token, held);
        results.set(i, "unknown");
      }
    }
    const all = acknowledged.flatMap((i) => endings.get(i)?.held ?? []);
    const answer = await confirmed(session, all);
    for (const i of acknowledged) results.set(i, answer);
    return results;
  }

  async #copy(endings: ReadonlyMap<number, Ending>): Promise<ReadonlyMap<number, Published>> {
    const copies = [...endings].filter(([, { item }]) => item.outcome !== "done");
    if (copies.length === 0) return new Map();
    const postings = copies.map(([, { item, held }]) => this.#posting(item, held.parcel));
    // A store that is full or away is told as unknown, and core tries again while the lease lasts.
    const published = await this.#office.post(postings).catch(() => []);
    return new Map(copies.map(([i], k) => [i, published[k] ?? "unknown"]));
  }

  #posting(item: FinishItem, parcel: Parcel): Posting {
    const { fields } = parcel;
    const now = this.#clock.now();
    if (item.outcome === "done") return { parcel, to: "jobs", delayMs: 0 };
    const exceptions = fields.exceptions + (item.threw === true ? 1 : 0);
    if (item.outcome === "fail") {
      const { failure } = item;
      return {
        parcel: { ...parcel, fields: { ...fields, exceptions, failure, finishedAt: now } },
        to: "failed",
        delayMs: 0,
      };
    }
    const { delayMs } = item;
    const counts = {
      attempts: fields.attempts - (item.refund === true ? 1 : 0),
      // At maxLosses the next reader buries it, before any handler sees it.
      losses: fields.losses + (item.loss === true ? 1 : 0),
      exceptions,
    };
    const failure = item.failure ?? fields.failure;
    return {
      parcel: { ...parcel, fields: { ...fields, ...counts, failure, availableAt: now + delayMs } },
      to: "jobs",
      delayMs,
    };
  }

  /** Nothing moves a deadline on the server: a job is held as long as its connection lives. Says whether it is. */
  extend(items: readonly ExtendItem[]): readonly ExtendResult[] {
    const session = this.#session();
    return items.map(({ reservation }) => (session?.has(String(reservation.token)) === true ? "ok" : "lost"));
  }
}

async function confirmed(session: Session, held: readonly Held[]): Promise<FinishResult> {
  if (held.length === 0) return "ok";
  if (session.connection.isLost) return "lost";
  try {
    await session.acknowledge(held);
    await session.drawing.barrier();
    return "ok";
  } catch {
    return "unknown";
  }
}
