import type { Clock, Reservation, ReserveRequest, ReserveResult, StoredJob } from "../../contract/index.ts";
import { Deferred, sleep } from "../../runtime/index.ts";
import type { Draw, Taken } from "./drawing.ts";
import type { Link } from "./link.ts";
import { storedOf } from "./message.ts";
import type { Parcel } from "./message.ts";
import type { Names } from "./names.ts";
import { PullSizes } from "./pull-sizes.ts";
import { pull } from "./pulling.ts";
import { back, toFailed } from "./session.ts";
import type { Session } from "./session.ts";
import type { Topology } from "./topology.ts";

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

/** How long a call waits for jobs to be moved that cannot run here: one that has others must not hold them up. */
const PATIENT_MS = 1_000;
const IN_HURRY_MS = 50;

/**
 * Takes jobs by exact pulls: first what is there, queue by queue; then, when there is nothing and there is time, it waits on all queues at once.
 *
 * A call that has nothing yet is not told when the server ends the connection: it goes on over a new one, once. A server ends all of a connection when one of its
 * channel processes crashes, as that of 3.10.8 does when a queue does not take a consumer at once, and when an operator closes it.
 */
export class Reserving {
  readonly #parts: Parts;
  readonly #sizes = new PullSizes();
  /** What failed behind the back of a call, for the next one to tell. */
  readonly #buriedLate: StoredJob[] = [];

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
      const connection = await link.get();
      const until = clock.monotonic() + request.waitMs;
      await this.#claim(claim, until).catch(async (error: unknown) => {
        if (!connection.isEndedByServer || ended.aborted) throw error;
        const isBack = await this.#isConnected(until, ended);
        if (ended.aborted) return;
        // What ended the first says more than why there is no second.
        if (!isBack) throw error;
        await this.#claim(claim, until);
      });
    }
    const { reservations, died, claimedAt } = claim;
    return { reservations, died, nextDueInMs: undefined, claimedAt };
  }

  /** Whether there is a connection before that time. */
  async #isConnected(until: number, ended: AbortSignal): Promise<boolean> {
    const { clock, link } = this.#parts;
    const over = new AbortController();
    const late = sleep(clock, Math.max(0, until - clock.monotonic()), AbortSignal.any([over.signal, ended]));
    const connected = link.get().then(
      () => true,
      () => false,
    );
    return Promise.race([connected, late.then(() => false)]).finally(() => over.abort());
  }

  async #claim(claim: Claim, until: number): Promise<void> {
    const session = this.#parts.session();
    await session.dropUnended();
    claim.died.push(...this.#buriedLate.splice(0));
    await this.#fill(session, claim, until);
  }

  async #fill(session: Session, claim: Claim, until: number): Promise<void> {
    const { clock } = this.#parts;
    try {
      this.#takeHeld(session, claim);
      for (const queue of claim.request.queues) await this.#look(session, queue, claim);
      while (isEmpty(claim) && !claim.ended.aborted && until > clock.monotonic()) {
        // Before the look: what is held from now on ends the wait.
        const more = new Deferred();
        const unwatch = session.moves.onMore(more.resolve);
        this.#takeHeld(session, claim);
        const waitMs = until - clock.monotonic();
        if (isEmpty(claim)) await this.#wait(session, claim, waitMs, more.promise).finally(unwatch);
        else unwatch();
      }
    } catch (error) {
      // What came on a connection that is lost is lost with it. Else it must be told, or nobody would ever end it; the error comes again with the next call.
      if (session.connection.isLost) {
        claim.reservations.length = 0;
        claim.free = claim.request.free ?? claim.request.max;
      }
      if (isEmpty(claim)) throw error;
    }
  }

  /** What is held here because it could not go back. */
  #takeHeld(session: Session, claim: Claim): void {
    const { max, queues } = claim.request;
    for (const queue of queues) {
      if (claim.ended.aborted) return;
      const held = session.moves.take(back, queue, max - claim.reservations.length, claim.free);
      if (held.length > 0) claim.claimedAt = this.#parts.clock.monotonic();
      for (const one of held) this.#give(session, one, claim);
    }
  }

  /** Takes what is there now. */
  async #look(session: Session, queue: string, claim: Claim): Promise<void> {
    const { clock, topology, names } = this.#parts;
    const room = claim.request.max - claim.reservations.length;
    const wanted = Math.min(room, this.#sizes.most(queue, claim.free));
    if (wanted <= 0 || claim.ended.aborted) return;
    session.moves.checkRoom();
    await topology.ensure(session.connection, queue, "jobs");
    const address = names.live(queue);
    const there = Math.min(wanted, await ready(session, address));
    if (there === 0) return;
    claim.claimedAt = clock.monotonic();
    const draw = await pull(session, clock, queue, address, there, claim.ended);
    await this.#accept(session, queue, draw.taken, claim);
  }

  /** A consumer for one job on each queue, until the first comes, the time is over, or nobody wants any more; then what else is there. */
  async #wait(session: Session, claim: Claim, waitMs: number, more: Promise<void>): Promise<void> {
    const { clock, topology, names } = this.#parts;
    const { queues } = claim.request;
    session.moves.checkRoom();
    // Before any consumer is there: a queue that is refused must not leave others behind that nobody looks at.
    for (const queue of queues) await topology.ensure(session.connection, queue, "jobs");
    const draws: [queue: string, draw: Draw][] = [];
    for (const queue of queues) draws.push([queue, await session.waiting(queue, names.live(queue))]);
    const over = new AbortController();
    const late = sleep(clock, waitMs, AbortSignal.any([over.signal, claim.ended]));
    const firsts = draws.map(([, draw]) => draw.atLeast(1));
    await session.connection.orLost(Promise.race([...firsts, more, late])).finally(() => over.abort());
    claim.claimedAt = clock.monotonic();
    const came = draws.filter(([, draw]) => draw.isFull);
    for (const [queue, draw] of draws) {
      if (draw.isFull) draw.end().catch(() => undefined);
      else session.park(queue, draw);
    }
    for (const [queue, draw] of came) {
      const hasRoom = claim.reservations.length < claim.request.max;
      if (hasRoom) await this.#accept(session, queue, draw.taken, claim);
      else await session.moveWithin(patienceOf(claim), draw.taken, back);
    }
    // Jobs come in bursts; the count of an empty queue costs little.
    if (came.length > 0) for (const queue of queues) await this.#look(session, queue, claim);
  }

  async #accept(session: Session, queue: string, taken: readonly Taken[], claim: Claim): Promise<void> {
    if (taken.length === 0) return;
    const dead: Taken[] = [];
    const suspects: Taken[] = [];
    for (const one of taken) {
      const { losses, maxLosses } = one.parcel.fields;
      if (losses >= maxLosses) dead.push(one);
      else if (losses > 0) suspects.push(one);
      else this.#give(session, one, claim);
    }
    this.#sizes.took(queue, taken.length, dead.length + suspects.length > 0);
    // The newest of them: what goes back stands before it then, and can be acknowledged in one line.
    for (const one of suspects.splice(Math.max(0, suspects.length - claim.free))) this.#give(session, one, claim);
    if (dead.length > 0) await this.#bury(session, dead, claim);
    await session.moveWithin(patienceOf(claim), suspects, back);
  }

  #give(session: Session, { message, parcel, draw }: Taken, claim: Claim): void {
    const { fields } = parcel;
    if (fields.losses > 0) claim.free -= 1;
    const counted: Parcel = { ...parcel, fields: { ...fields, attempts: fields.attempts + 1 } };
    const token = session.hold({ message, parcel: counted, draw, leaseMs: claim.request.leaseMs });
    claim.reservations.push({ job: storedOf(counted, "reserved", this.#parts.clock.now()), token });
  }

  /** Before any handler sees it, and long before a limit of the server's own would take it. */
  async #bury(session: Session, dead: readonly Taken[], claim: Claim): Promise<void> {
    const gone = dead.map((taken) => ({ ...taken, parcel: expired(taken.parcel, this.#parts.clock.now()) }));
    const told = (moved: readonly Taken[]): readonly StoredJob[] =>
      moved.map(({ parcel }) => storedOf(parcel, "failed", undefined));
    const late = (moved: readonly Taken[]): void => void this.#buriedLate.push(...told(moved));
    const moved = await session.moveWithin(patienceOf(claim), gone, toFailed, late);
    claim.died.push(...told(moved));
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

function patienceOf(claim: Claim): number {
  return claim.reservations.length > 0 ? IN_HURRY_MS : PATIENT_MS;
}

function expired(parcel: Parcel, now: number): Parcel {
  const message = `The lease was lost ${parcel.fields.losses} times: its workers died or lost their connection.`;
  const failure = { code: "LEASE_EXPIRED", name: "JobferryError", message, stack: undefined };
  return { ...parcel, fields: { ...parcel.fields, failure, finishedAt: now } };
}
