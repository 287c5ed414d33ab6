import { JobferryError } from "../../errors/index.ts";
import type { AmqpConfirmChannel } from "./client.ts";
import type { ConfirmConnection } from "./connection.ts";
import type { KeptJob } from "../shared/kept-job.ts";
import type { SecondStore } from "../shared/second-store.ts";
import { MAX_DELAY_MS, routingKey, topLevel, unitsOf } from "./ladder.ts";
import type { Link } from "./link.ts";
import { encode, storedOf } from "./message.ts";
import type { MessageLimit } from "./message-limit.ts";
import type { Parcel } from "./message.ts";
import type { Names } from "./names.ts";
import { full } from "./publishing.ts";
import type { Manner, Outgoing, Published, Publishing } from "./publishing.ts";
import type { Part } from "./registry.ts";
import { SHORT_LEVELS } from "./topology.ts";
import type { Topology } from "./topology.ts";

/** A job on its way into a queue, now or later, or to the failed ones. */
export type Posting = Readonly<{ parcel: Parcel; to: "jobs" | "failed"; delayMs: number }>;

/** Our 0 is the server's default of 4, so that messages of others stand where a job without priority does. */
export const PRIORITY_OFFSET = 4;

/** Of a failure that does not fit as a whole, in characters. */
const SHORT_MESSAGE = 100;

/** A delay that waits in the second store comes back this much before its time: the ladder is exact, however late it is brought. */
export const AHEAD_MS = 86_400_000;

/** Puts jobs where they belong: makes sure that the place is there and settled, publishes, and waits for the confirm. */
export class PostOffice {
  readonly #link: Link<AmqpConfirmChannel>;
  readonly #names: Names;
  readonly #topology: Topology;
  readonly #publishing: Publishing;
  readonly #limit: MessageLimit;
  readonly #second: SecondStore | undefined;

  /** `second`: where failed jobs and longer delays go, instead of to the server. */
  constructor(
    link: Link<AmqpConfirmChannel>,
    names: Names,
    topology: Topology,
    publishing: Publishing,
    limit: MessageLimit,
    second: SecondStore | undefined,
  ) {
    this.#limit = limit;
    this.#second = second;
    this.#link = link;
    this.#names = names;
    this.#topology = topology;
    this.#publishing = publishing;
  }

  /**
   * One answer per posting, in order. Throws only when nothing was sent. `manner.isWanted`: of copies, whether their originals are held still. Asked as late as
   * can be, because a connection or a new place takes seconds; without its original a copy is a second job.
   */
  async post(postings: readonly Posting[], manner?: Manner): Promise<readonly Published[]> {
    const second = this.#second;
    const isAway = ({ to, delayMs }: Posting): boolean =>
      second !== undefined && (to === "failed" || delayMs > MAX_DELAY_MS);
    if (second === undefined || !postings.some(isAway)) return this.#postHere(postings, manner);
    const [here, failed, later] = [
      postings.filter((posting) => !isAway(posting)),
      postings.filter(({ to }) => to === "failed"),
      postings.filter((posting) => isAway(posting) && posting.to === "jobs"),
    ];
    const delayOf = new Map(later.map(({ parcel, delayMs }) => [parcel.fields.id, delayMs - AHEAD_MS]));
    const results = new Map<Posting, Published>();
    // What one store refuses must not hide what the other took.
    const tell = async (part: readonly Posting[], store: () => Promise<readonly Published[]>): Promise<void> => {
      const published = await store().catch((error: unknown) => part.map(() => ({ error })));
      for (const [i, posting] of part.entries()) results.set(posting, published[i] ?? "unknown");
    };
    await Promise.all([
      tell(here, () => this.#postHere(here, manner)),
      tell(failed, async () => (await second.fail(failed.map(keptOf("failed")))).map(safeOrRefused)),
      tell(later, async () => {
        const kept = later.map(keptOf("delayed"));
        return (await second.later(kept, ({ job }) => delayOf.get(job.id) ?? 0)).map(safeOrUnknown);
      }),
    ]);
    return postings.map((posting) => results.get(posting) ?? "unknown");
  }

  async #postHere(postings: readonly Posting[], manner?: Manner): Promise<readonly Published[]> {
    if (postings.length === 0) return [];
    const connection = this.#link.current ?? (await this.#link.get());
    // A server with an alarm would not even read what is declared.
    if (connection.blocked !== undefined) return postings.map(() => ({ error: full(connection.blocked) }));
    const places = [...placesOf(postings)];
    const [only] = places;
    if (places.length === 1 && only !== undefined) return this.#postTo(connection, ...only, postings, manner);
    // Each queue by itself: one that is refused or must settle first is nothing to the others.
    const results = new Map<Posting, Published>();
    const all = places.map(async ([queue, parts]) => {
      const mine = postings.filter(({ parcel }) => parcel.fields.queue === queue);
      const posted = this.#postTo(connection, queue, parts, mine, manner);
      const published = await posted.catch((error: unknown) => mine.map(() => ({ error })));
      for (const [i, posting] of mine.entries()) results.set(posting, published[i] ?? "unknown");
    });
    await Promise.all(all);
    return postings.map((posting) => results.get(posting) ?? "unknown");
  }

  async #postTo(
    connection: ConfirmConnection,
    queue: string,
    parts: ReadonlySet<Part>,
    postings: readonly Posting[],
    manner?: Manner,
  ): Promise<readonly Published[]> {
    const waits: Promise<void>[] = [];
    for (const part of parts) {
      await this.#topology.ensure(connection, queue, part);
      const settling = this.#topology.settled(connection, queue, part);
      if (settling !== undefined) waits.push(settling);
    }
    // Not published before: a server that is killed would lose it, and one that has no leader yet refuses it (nack).
    if (waits.length > 0) await Promise.all(waits);
    return this.#publishing.publish(
      this.#outgoingOf(queue, postings, hasPriorities(connection)),
      postings.length,
      manner,
    );
  }

  /** Each is encoded when it is its turn. All are of one queue. */
  *#outgoingOf(queue: string, postings: readonly Posting[], withPriority: boolean): Iterable<Outgoing> {
    // Each message bears one of them: text that was just put together is slow to write.
    const [jobs, failed] = [this.#names.live(queue), this.#names.failed(queue)];
    for (const { parcel, to, delayMs } of postings) {
      const { id, priority } = parcel.fields;
      const units = unitsOf(delayMs);
      const place =
        units > 0
          ? { exchange: this.#names.ladder(topLevel(units)), routingKey: routingKey(units, this.#names.word(queue)) }
          : { exchange: "", routingKey: to === "jobs" ? jobs : failed };
      yield {
        ...place,
        body: this.#bodyOf(parcel),
        priority: withPriority ? priority + PRIORITY_OFFSET : undefined,
        id,
      };
    }
  }

  /** A job that the server took before its limit was known, or lowered, must be able to fail: better without the failure's stack than round and round. */
  #bodyOf(parcel: Parcel): Buffer {
    const body = encode(parcel);
    const { failure } = parcel.fields;
    if (failure === undefined || body.length <= this.#limit.bytes) return body;
    const short = { ...failure, message: failure.message.slice(0, SHORT_MESSAGE), stack: undefined };
    return encode({ ...parcel, fields: { ...parcel.fields, failure: short } });
  }
}

const hasPriorities = ({ server }: ConfirmConnection): boolean => server.major >= 4;

/** It lies there once however often it is tried. */
const safeOrRefused = (isSafe: boolean): Published => (isSafe ? "confirmed" : { error: notKept() });

function notKept(): JobferryError {
  return new JobferryError("UNAVAILABLE", "The store of records does not take the failed job now.", {
    retryable: true,
  });
}

const safeOrUnknown = (isSafe: boolean): Published => (isSafe ? "confirmed" : "unknown");

function keptOf(state: "failed" | "delayed"): (posting: Posting) => KeptJob {
  return ({ parcel }) => ({ job: storedOf(parcel, state, undefined), maxLosses: parcel.fields.maxLosses });
}

type Places = ReadonlyMap<string, ReadonlySet<Part>>;

function placesOf(postings: readonly Posting[]): Places {
  const places = new Map<string, Set<Part>>();
  for (const { parcel, delayMs } of postings) {
    const { queue } = parcel.fields;
    let parts = places.get(queue);
    if (parts === undefined) places.set(queue, (parts = new Set(["jobs"])));
    if (delayMs <= 0) continue;
    parts.add("short");
    if (topLevel(unitsOf(delayMs)) >= SHORT_LEVELS) parts.add("long");
  }
  return places;
}
