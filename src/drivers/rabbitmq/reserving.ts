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

/** Takes jobs by exact pulls: first what is there, queue by queue; then, when there is nothing and there is time, it waits on all queues at once. */
export class Reserving {
  readonly #parts: Parts;
  /** Queues whose last pull brought jobs with losses that had no free slot. */
  readonly #suspects = new Set<string>();

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
    const room = claim.request.max - claim.reservations.length;
    // Jobs with losses that nobody may have now would only be carried round and round.
    const wanted = this.#suspects.has(queue) ? Math.min(room, Math.max(claim.free, 0)) : room;
    if (wanted <= 0 || claim.ended.aborted) return;
    await topology.ensure(session.connection, queue, "jobs");
    const address = names.live(queue);
    const there = Math.min(wanted, await ready(session, address));
    if (there === 0) return;
    claim.claimedAt = clock.monotonic();
    const draw = await session.drawing.begin(address, there);
    await this.#gather(session, draw, claim.ended);
    await this.#accept(session, queue, draw, draw.messages, claim);
  }

  /**
   * Until all have come that were there; others may have taken some of them. A full draw ends behind our back: nothing more can come, and nothing is
   * acknowledged before.
   */
  async #gather(session: Session, draw: Draw, ended: AbortSignal): Promise<void> {
    if (!draw.isFull) {
      const over = new AbortController();
      const late = sleep(this.#parts.clock, STRAGGLERS_MS, AbortSignal.any([over.signal, ended]));
      await session.connection.orLost(Promise.race([draw.atLeast(draw.limit), late])).finally(() => over.abort());
    }
    const end = draw.end();
    if (draw.isFull) end.catch(() => undefined);
    else await end;
  }

  /** A consumer for one job on each queue, until the first comes, the time is over, or nobody wants any more; then what else is there. */
  async #wait(session: Session, claim: Claim, waitMs: number): Promise<void> {
    const { clock, topology, names } = this.#parts;
    const { queues } = claim.request;
    const draws: [queue: string, draw: Draw][] = [];
    for (const queue of queues) {
      await topology.ensure(session.connection, queue, "jobs");
      draws.push([queue, await session.waiting(queue, names.live(queue))]);
    }
    const over = new AbortController();
    const late = sleep(clock, waitMs, AbortSignal.any([over.signal, claim.ended]));
    const firsts = draws.map(([, draw]) => draw.atLeast(1));
    await session.connection.orLost(Promise.race([...firsts, late])).finally(() => over.abort());
    claim.claimedAt = clock.monotonic();
    const came = draws.filter(([, draw]) => draw.isFull);
    for (const [queue, draw] of draws) {
      if (draw.isFull) draw.end().catch(() => undefined);
      else session.park(queue, draw);
    }
    for (const [queue, draw] of came) {
      const hasRoom = claim.reservations.length < claim.request.max;
      if (hasRoom) await this.#accept(session, queue, draw, draw.messages, claim);
      else
        await this.#handBack(
          session,
          draw.messages.map((message) => this.#heldOf(message, queue, draw)),
        );
    }
    // Jobs come in bursts; the count of an empty queue costs little.
    if (came.length > 0) for (const queue of queues) await this.#look(session, queue, claim);
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
      else if (losses > 0) suspects.push(held);
      else this.#give(session, held, claim);
    }
    // The newest of them: what goes back stands before it then, and can be acknowledged in one line.
    for (const held of suspects.splice(Math.max(0, suspects.length - claim.free))) this.#give(session, held, claim);
    if (suspects.length > 0) this.#suspects.add(queue);
    else if (messages.length > 0) this.#suspects.delete(queue);
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
      if (published[i] !== "confirmed") session.drawing.acknowledging.reject(message);
    return moved;
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
