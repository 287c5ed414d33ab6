import type { Clock, Logger } from "../../contract/index.ts";
import { settledWithin, sleep } from "../../runtime/index.ts";
import type { AmqpChannel } from "./client.ts";
import type { Connection } from "./connection.ts";
import { Drawing } from "./drawing.ts";
import type { Draw, Taken } from "./drawing.ts";
import { HeldMoves } from "./held-moves.ts";
import type { Destination, Moved, Tried } from "./held-moves.ts";
import type { Parcel } from "./message.ts";
import type { PostOffice, Posting } from "./posting.ts";
import type { Published } from "./publishing.ts";

/** One that is a reservation. */
export type Held = Taken & Readonly<{ leaseMs: number }>;

/** Pulls at once, or one behind the other while consumers are cancelled, before one waits for another's channel. */
const MAX_CHANNELS = 4;

/**
 * How long the server is given for single acknowledgements that it still holds in a channel and would lose with it (see Acknowledging): it tells nobody when they
 * have reached the queue. On a machine with a load of 15 some were undone by a close 15 to 40 ms behind their round trip (4.0.5).
 */
const IN_HAND_MS = 500;

/** What one consuming connection holds. It dies with the connection: then the server gives everything to somebody else. */
export class Session {
  readonly connection: Connection;
  /** On the connection's own channel. Pulls go over others, so that a cancel, which the server answers late, holds up nobody. */
  readonly drawing: Drawing;
  readonly #pulling: Drawing[] = [];
  #opened = 0;
  #turn = 0;
  readonly #office: PostOffice;
  readonly #tokenPrefix: string;
  readonly #held = new Map<string, Held>();
  readonly #parked = new Map<string, Draw[]>();
  /** Reservations whose end could not be written, and when their lease is over, if nobody tries again. */
  readonly #unended = new Map<string, number>();
  readonly #clock: Clock;
  readonly #givingBack = new Set<Promise<unknown>>();
  /** What could not be moved yet. */
  readonly moves: HeldMoves;
  #singleAt = -Infinity;

  /** `instance` is unique to this driver, so that no token of another process is ever taken for one of ours. */
  constructor(connection: Connection, instance: string, office: PostOffice, clock: Clock, logger: Logger) {
    this.connection = connection;
    this.#office = office;
    this.#clock = clock;
    this.#tokenPrefix = `${instance}-${connection.number}-`;
    this.drawing = this.#drawingOn(connection.channel, 0);
    this.moves = new HeldMoves({
      ...{ clock, logger, isLost: () => connection.isLost },
      tryMove: (taken, to) => this.#tryMove(taken, to),
      giveUp: (taken) => this.giveUp(taken),
      inBackground: (trying) => this.#inBackground(trying),
    });
  }

  #drawingOn(channel: AmqpChannel, number: number): Drawing {
    return new Drawing(this.connection, channel, number, this.#clock, (late) => this.#giveBack(late));
  }

  /** Where to pull: on a channel without a consumer, or a new one, or, when there are enough, the next in turn. */
  async pulling(): Promise<Drawing> {
    const free = this.#pulling.find(({ isFree }) => isFree);
    if (free !== undefined) return free;
    if (this.#opened < MAX_CHANNELS) {
      const number = (this.#opened += 1);
      const channel = await this.connection.openChannel().catch((error: unknown) => {
        if (this.connection.isLost) throw error;
        // As many as the server allows: those that are there must do.
        return undefined;
      });
      if (channel === undefined) return this.#pulling[0] ?? this.drawing;
      const drawing = this.#drawingOn(channel, number);
      this.#pulling.push(drawing);
      return drawing;
    }
    this.#turn = (this.#turn + 1) % MAX_CHANNELS;
    return this.#pulling[this.#turn] ?? this.drawing;
  }

  /** A consumer that waits for one message: one that was left over from an earlier wait, or a new one. */
  async waiting(queue: string, address: string): Promise<Draw> {
    const draw = this.#parked.get(queue)?.pop();
    if (draw === undefined) return this.drawing.begin(queue, address, 1);
    // From now on what comes is for who waits, also before that one looks.
    draw.onUnasked = undefined;
    return draw;
  }

  /** Nobody waits for it any more, but it is not ended (see Draw): what comes goes back, unless somebody waits for it again before. */
  park(queue: string, draw: Draw): void {
    draw.leave();
    const parked = this.#parked.get(queue) ?? [];
    this.#parked.set(queue, parked);
    parked.push(draw);
    draw.onUnasked = () => {
      const at = parked.indexOf(draw);
      if (at !== -1) parked.splice(at, 1);
      for (const taken of draw.taken) this.#giveBack(taken);
    };
  }

  #giveBack(taken: Taken): void {
    // A message that came late for a pull of failed jobs is a failed job still.
    const to = taken.parcel.fields.finishedAt === undefined ? back : toFailed;
    this.#inBackground(this.moves.moveOrHold([taken], to, () => undefined));
  }

  #inBackground(moving: Promise<unknown>): void {
    const giving = moving
      .catch((error: unknown) => this.connection.lose(error))
      .finally(() => this.#givingBack.delete(giving));
    this.#givingBack.add(giving);
  }

  hold(held: Held): string {
    const token = `${this.#tokenPrefix}${held.draw.source.number}-${held.message.fields.deliveryTag}`;
    this.#held.set(token, held);
    return token;
  }

  has(token: string): boolean {
    return this.#held.has(token);
  }

  /** Takes it out: of two finishes at once only one gets it. */
  take(token: string): Held | undefined {
    const held = this.#held.get(token);
    if (held !== undefined) this.#held.delete(token);
    this.#unended.delete(token);
    return held;
  }

  /** Its end could not be written: it is held as before, and can be ended again. */
  putBack(token: string, held: Held): void {
    this.#held.set(token, held);
    this.#unended.set(token, this.#clock.monotonic() + held.leaseMs);
  }

  /**
   * Nobody ends any more what stayed unended for a whole lease: it goes back to the server, which counts it as lost. Else it would be held as long as the
   * connection lives.
   */
  async dropUnended(): Promise<void> {
    const now = this.#clock.monotonic();
    const over = [...this.#unended].filter(([, endsAt]) => endsAt <= now);
    await this.giveUp(over.flatMap(([token]) => this.take(token) ?? []));
  }

  /**
   * Copies to another place, then acknowledges: a crash in between leaves the job twice, never not at all. What could not be copied
   * stays unacknowledged and is told so. `isPatient`: see Manner.
   */
  async move(held: readonly Taken[], to: Destination, isPatient = false): Promise<readonly Published[]> {
    if (held.length === 0) return [];
    const published = await this.#office.post(
      held.map(({ parcel }) => to(parcel)),
      { isWanted: () => !this.connection.isLost, isPatient },
    );
    await this.acknowledge(held.filter((_, i) => published[i] === "confirmed"));
    return published;
  }

  /** The same; what could not be copied goes back to the server as it is. Resolves to what was moved. */
  async moveOrReturn<H extends Taken>(held: readonly H[], to: Destination): Promise<readonly H[]> {
    const published = await this.move(held, to).catch(() => []);
    if (this.connection.isLost) return [];
    await this.giveUp(held.filter((_, i) => published[i] !== "confirmed"));
    return held.filter((_, i) => published[i] === "confirmed");
  }

  /**
   * Moves what cannot run here. Resolves in `mostMs`, to what was moved by then; `late` is told of the others. What is refused is held (see HeldMoves); what was sent
   * and not confirmed may be copied already, so it goes back to the server as it is.
   */
  async moveWithin(
    mostMs: number,
    taken: readonly Taken[],
    to: Destination,
    late: Moved = () => undefined,
  ): Promise<readonly Taken[]> {
    if (taken.length === 0) return [];
    const moving = this.moves.moveOrHold(taken, to, late);
    this.#inBackground(moving);
    if (await settledWithin(this.#clock, moving, mostMs)) return moving;
    this.#inBackground(moving.then(late));
    return [];
  }

  async #tryMove(taken: readonly Taken[], to: Destination): Promise<Tried> {
    // Only what posts can be refused: an acknowledgement fails with its connection.
    const published = await this.move(taken, to, true).catch((error: unknown) => taken.map(() => ({ error })));
    if (this.connection.isLost) return { moved: [], refused: [], error: undefined };
    const refused = taken.filter((_, i) => typeof published[i] === "object");
    await this.giveUp(taken.filter((_, i) => published[i] === undefined || published[i] === "unknown"));
    const [error] = published.flatMap((one) => (typeof one === "object" ? [one.error] : []));
    return { moved: taken.filter((_, i) => published[i] === "confirmed"), refused, error };
  }

  /** Before the connection is closed in good order. Whether nothing is on its way any more. */
  async handsFree(): Promise<boolean> {
    this.moves.close();
    const latest = this.#clock.monotonic() + 4 * IN_HAND_MS;
    for (;;) {
      const now = this.#clock.monotonic();
      const left = this.#singleAt + IN_HAND_MS - now;
      // What parked consumers get meanwhile is given back first.
      const isEmpty = left <= 0 && this.#givingBack.size === 0;
      if (this.connection.isLost || isEmpty) return true;
      if (now >= latest) return false;
      await sleep(this.#clock, Math.max(10, left));
    }
  }

  /** Moves whose connection was given up: those that were confirmed are acknowledged still. */
  async movesOver(): Promise<void> {
    await settledWithin(this.#clock, Promise.allSettled(this.#givingBack), IN_HAND_MS);
  }

  /** Back to the server as they are, which counts each as lost before 4.3. */
  async giveUp(held: readonly Taken[]): Promise<void> {
    await endDraws(held);
    for (const { message, draw } of held) draw.source.acknowledging.reject(message);
  }

  /** Resolves when the server has read the acknowledgements. */
  async acknowledge(held: readonly Taken[]): Promise<void> {
    const bySource = Map.groupBy(held, ({ draw }) => draw.source);
    await Promise.all(
      [...bySource].map(async ([source, mine]) => {
        await endDraws(mine);
        const { singles } = source.acknowledging;
        source.acknowledging.acknowledge(mine.map(({ message }) => message));
        if (source.acknowledging.singles > singles) this.#singleAt = this.#clock.monotonic();
        await source.barrier();
      }),
    );
  }
}

/** While its consumer lives an acknowledgement would bring the next message, which nobody asked for. */
async function endDraws(held: readonly Taken[]): Promise<void> {
  for (const draw of new Set(held.map(({ draw }) => draw))) await draw.end();
}

/** To the end of its queue, as if nothing had happened. */
export function back(parcel: Parcel): Posting {
  return { parcel, to: "jobs", delayMs: 0 };
}

export function toFailed(parcel: Parcel): Posting {
  return { parcel, to: "failed", delayMs: 0 };
}
