import type { Clock, ExtendItem, ExtendResult, FinishItem, FinishResult } from "../../contract/index.ts";
import { UnsupportedError } from "../../errors/index.ts";
import { settledWithin } from "../../runtime/index.ts";
import type { Parcel } from "./message.ts";
import type { PostOffice, Posting } from "./posting.ts";
import type { Held, Session } from "./session.ts";

/** `i`: its place in the call. */
type Ending = Readonly<{ i: number; item: FinishItem; token: string; held: Held }>;

/** How long what is done waits for copies beside it: as one line it costs one command, and cannot be undone in part. */
const SOON_MS = 50;

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
    const endings: Ending[] = [];
    for (const [i, item] of items.entries()) {
      const token = String(item.reservation.token);
      const held = session.take(token);
      if (held !== undefined) endings.push({ i, item, token, held });
    }
    await this.#endAll(session, endings, results);
    return results;
  }

  /** All in one line of acknowledgements where the copies come soon; what is done does not wait for a slow one. */
  async #endAll(session: Session, endings: readonly Ending[], results: FinishResult[]): Promise<void> {
    const done = endings.filter(({ item }) => item.outcome === "done");
    const others = endings.filter(({ item }) => item.outcome !== "done");
    if (others.length === 0) return acknowledge(session, done, results);
    const copying = this.#copy(session, others, results);
    if (done.length === 0 || (await settledWithin(this.#clock, copying, SOON_MS)))
      return acknowledge(session, [...done, ...(await copying)], results);
    await Promise.all([
      acknowledge(session, done, results),
      copying.then((copied) => acknowledge(session, copied, results)),
    ]);
  }

  /** Resolves to those whose copy was confirmed. */
  async #copy(session: Session, endings: readonly Ending[], results: FinishResult[]): Promise<readonly Ending[]> {
    const postings = endings.map(({ item, held }) => this.#posting(item, held.parcel));
    // A store that is full or away is told as unknown, and core tries again while the lease lasts.
    const published = await this.#office.post(postings, { isWanted: () => !session.connection.isLost }).catch(() => []);
    const copied: Ending[] = [];
    for (const [k, ending] of endings.entries()) {
      if (published[k] === "confirmed") copied.push(ending);
      else {
        // The original is held still: the same finish can be tried again.
        session.putBack(ending.token, ending.held);
        results[ending.i] = "unknown";
      }
    }
    return copied;
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

async function acknowledge(session: Session, endings: readonly Ending[], results: FinishResult[]): Promise<void> {
  if (endings.length === 0) return;
  const { isLost } = session.connection;
  let answer: FinishResult = "ok";
  try {
    await session.acknowledge(endings.map(({ held }) => held));
  } catch {
    answer = "unknown";
  }
  // Nothing was sent for what is done on a connection that was lost already; of the others there is a copy.
  for (const { i, item } of endings) results[i] = isLost && item.outcome === "done" ? "lost" : answer;
}
