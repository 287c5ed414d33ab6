import type { Clock, Reservation, ReserveRequest, ReserveResult, StoredJob } from "../../contract/index.ts";
import { sleep } from "../../runtime/index.ts";
import type { Draw } from "./drawing.ts";
import type { Link } from "./link.ts";
import { storedOf } from "./message.ts";
import type { Parcel } from "./message.ts";
import type { Names } from "./names.ts";
import type { Posting } from "./posting.ts";
import { back, read } from "./session.ts";
import type { Held, Session } from "./session.ts";
import type { Topology } from "./topology.ts";

/** How long a draw waits for messages that were counted just before: others may have taken them. */
const STRAGGLERS_MS = 25;

type Claim = {
  readonly request: ReserveRequest;
  readonly ended: AbortSignal;
  readonly reservations: Reservation[];
  readonly died: StoredJob[];
  /** How many jobs with losses may still be given. */
  free: number;
  claimedAt: number;
};

type Parts = Readonly<{
  clock: Clock;
  names: Names;
  topology: Topology;
  link: Link;
  session: () => Session;
  closing: AbortSignal;
}>;

/** What the last look at a queue showed. */
type Hint = { isDeep: boolean; hasSuspects: boolean };

/** Takes jobs by exact pulls: first what is there, queue by queue; then, when there is nothing and there is time, it waits on all queues at once. */
export class Reserving {
  readonly #parts: Parts;
  readonly #hints = new Map<string, Hint>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    const { clock, link, closing } = this.#parts;
    const ended = request.signal === undefined ? closing : AbortSignal.any([closing, request.signal]);
    const claim: Claim = {
      ...{ request, ended, reservations: [], died: [], free: request.free ?? request.max },
      claimedAt: clock.monotonic(),
    };
    if (!ended.aborted && request.max > 0) {
      const until = clock.monotonic() + request.waitMs;
      await link.get();
      const session = this.#parts.session();
      for (const queue of request.queues) await this.#look(session, queue, claim);
      while (isEmpty(claim) && !ended.aborted && until > clock.monotonic())
        await this.#wait(session, claim, until - clock.monotonic());
    }
    const { reservations, died, claimedAt } = claim;
    return { reservations, died, nextDueInMs: undefined, claimedAt };
  }

  /** Takes what is there now. */
  async #look(session: Session, queue: string, claim: Claim): Promise<void> {
    const { clock, topology, names } = this.#parts;
    const hint = this.#hint(queue);
    const room = claim.request.max - claim.reservations.length;
    // Jobs with losses that nobody may have now would only be carried round and round.
    const wanted = hint.hasSuspects ? Math.min(room, Math.max(claim.free, 0)) : room;
    if (wanted <= 0 || claim.ended.aborted) return;
    await topology.ensure(session.connection, queue, "jobs");
    const address = names.live(queue);
    const there = hint.isDeep ? wanted : await ready(session, address);
    if (there === 0) return;
    claim.claimedAt = clock.monotonic();
    const draw = await session.drawing.begin(address, wanted);
    await this.#gather(session, draw, Math.min(there, wanted), claim.ended);
    hint.isDeep = draw.isFull;
    await this.#accept(session, queue, draw, draw.messages, claim);
  }

  /** Until as many have come as were there. A full draw can end behind our back: nothing more can come, and nothing is acknowledged before. */
  async #gather(session: Session, draw: Draw, expected: number, ended: AbortSignal): Promise<void> {
    if (draw.messages.length < expected) {
      const over = new AbortController();
      const late = sleep(this.#parts.clock, STRAGGLERS_MS, AbortSignal.any([over.signal, ended]));
      await Promise.race([draw.atLeast(expected), late, session.connection.lost]).finally(() => over.abort());
    }
    const end = draw.end();
    if (draw.isFull) end.catch(() => undefined);
    else await end;
  }

  /** A consumer on each queue until the first job comes, the time is over, or nobody wants any more. */
  async #wait(session: Session, claim: Claim, waitMs: number): Promise<void> {
    const { clock, topology, names } = this.#parts;
    const { queues, max } = claim.request;
    const share = Math.max(1, Math.floor(max / queues.length));
    const draws: [queue: string, draw: Draw][] = [];
    claim.claimedAt = clock.monotonic();
    for (const queue of queues) {
      await topology.ensure(session.connection, queue, "jobs");
      draws.push([queue, await session.drawing.begin(names.live(queue), share)]);
    }
    const over = new AbortController();
    const late = sleep(clock, waitMs, AbortSignal.any([over.signal, claim.ended]));
    const firsts = draws.map(([, draw]) => draw.first.promise);
    await Promise.race([...firsts, late, session.connection.lost]).finally(() => over.abort());
    claim.claimedAt = Math.max(claim.claimedAt, clock.monotonic());
    await Promise.all(draws.map(async ([, draw]) => draw.end()));
    for (const [queue, draw] of draws) {
      const room = max - claim.reservations.length;
      await this.#accept(session, queue, draw, draw.messages.slice(0, room), claim);
      const surplus = draw.messages.slice(room).map((message) => this.#heldOf(message, queue, draw));
      await this.#handBack(session, surplus);
    }
  }

  #heldOf(message: Held["message"], queue: string, draw: Draw): Held {
    return { message, parcel: read(message, queue, this.#parts.clock.now()), draw };
  }

  async #accept(
    session: Session,
    queue: string,
    draw: Draw,
    messages: readonly Held["message"][],
    claim: Claim,
  ): Promise<void> {
    const dead: Held[] = [];
    const suspects: Held[] = [];
    for (const message of messages) {
      const held = this.#heldOf(message, queue, draw);
      const { losses, maxLosses } = held.parcel.fields;
      if (losses >= maxLosses) dead.push(held);
      else if (losses > 0 && claim.free <= 0) suspects.push(held);
      else this.#give(session, held, claim);
    }
    this.#hint(queue).hasSuspects = suspects.length > 0;
    if (dead.length > 0) await this.#bury(session, dead, claim);
    await this.#handBack(session, suspects);
  }

  #give(session: Session, { message, parcel, draw }: Held, claim: Claim): void {
    const { fields } = parcel;
    if (fields.losses > 0) claim.free -= 1;
    const counted: Parcel = { ...parcel, fields: { ...fields, attempts: fields.attempts + 1 } };
    const token = session.hold({ message, parcel: counted, draw });
    claim.reservations.push({ job: storedOf(counted, "reserved", this.#parts.clock.now()), token });
  }

  /** Before any handler sees it, and long before a limit of the server's own would take it. */
  async #bury(session: Session, dead: readonly Held[], claim: Claim): Promise<void> {
    const gone = dead.map((held) => ({ ...held, parcel: expired(held.parcel, this.#parts.clock.now()) }));
    const toFailed = (parcel: Parcel): Posting => ({ parcel, to: "failed", delayMs: 0 });
    const moved = await this.#moved(session, gone, toFailed);
    for (const { parcel } of moved) claim.died.push(storedOf(parcel, "failed", undefined));
  }

  async #handBack(session: Session, held: readonly Held[]): Promise<void> {
    await this.#moved(session, held, back);
  }

  /** What cannot be copied now goes back as it is, which the server counts as one loss more; the claim goes on with what it has. */
  async #moved(session: Session, held: readonly Held[], to: (parcel: Parcel) => Posting): Promise<readonly Held[]> {
    if (held.length === 0) return [];
    const published = await session.move(held, to).catch(() => []);
    const moved = held.filter((_, i) => published[i] === "confirmed");
    if (session.connection.isLost || moved.length === held.length) return moved;
    for (const [i, { message }] of held.entries())
      if (published[i] !== "confirmed") session.connection.channel.nack(message, false, true);
    return moved;
  }

  #hint(queue: string): Hint {
    let hint = this.#hints.get(queue);
    if (hint === undefined) this.#hints.set(queue, (hint = { isDeep: false, hasSuspects: false }));
    return hint;
  }
}

async function ready(session: Session, address: string): Promise<number> {
  const { connection } = session;
  const { messageCount } = await connection.answer("count", connection.channel.checkQueue(address));
  return messageCount;
}

function isEmpty({ reservations, died }: Claim): boolean {
  return reservations.length === 0 && died.length === 0;
}

function expired(parcel: Parcel, now: number): Parcel {
  const message = `The lease was lost ${parcel.fields.losses} times: its workers died or lost their connection.`;
  const failure = { code: "LEASE_EXPIRED", name: "JobferryError", message, stack: undefined };
  return { ...parcel, fields: { ...parcel.fields, failure, finishedAt: now } };
}
