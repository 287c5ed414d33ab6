import type { Clock } from "../../contract/index.ts";
import type { AmqpMessage } from "./client.ts";
import type { Connection } from "./connection.ts";
import { Drawing } from "./drawing.ts";
import type { Draw } from "./drawing.ts";
import { decode, redeliveries } from "./message.ts";
import type { Parcel } from "./message.ts";
import type { PostOffice, Posting } from "./posting.ts";
import type { Published } from "./publishing.ts";

/** A message that this connection has, its job with all its counts, and the draw that it came with. */
export type Taken = Readonly<{ message: AmqpMessage; parcel: Parcel; draw: Draw | undefined }>;

/** One that is a reservation. */
export type Held = Taken & Readonly<{ leaseMs: number }>;

/** What one consuming connection holds. It dies with the connection: then the server gives everything to somebody else. */
export class Session {
  readonly connection: Connection;
  readonly drawing: Drawing;
  readonly #office: PostOffice;
  readonly #tokenPrefix: string;
  readonly #held = new Map<string, Held>();
  readonly #parked = new Map<string, Draw[]>();
  /** Reservations whose end could not be written, and when their lease is over, if nobody tries again. */
  readonly #unended = new Map<string, number>();
  readonly #clock: Clock;

  /** `instance` is unique to this driver, so that no token of another process is ever taken for one of ours. */
  constructor(connection: Connection, instance: string, office: PostOffice, clock: Clock) {
    this.connection = connection;
    this.#office = office;
    this.#clock = clock;
    this.#tokenPrefix = `${instance}-${connection.number}-`;
    this.drawing = new Drawing(connection, (message) => {
      this.#giveBack("default", message, undefined);
    });
  }

  /** A consumer that waits for one message: one that was left over from an earlier wait, or a new one. */
  async waiting(queue: string, address: string): Promise<Draw> {
    const draw = this.#parked.get(queue)?.pop();
    if (draw === undefined) return this.drawing.begin(address, 1);
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
      for (const message of draw.messages) this.#giveBack(queue, message, draw);
    };
  }

  #giveBack(queue: string, message: AmqpMessage, draw: Draw | undefined): void {
    const parcel = read(message, queue, this.#clock.now());
    this.moveOrReturn([{ message, parcel, draw }], back).catch((error: unknown) => this.connection.lose(error));
  }

  hold(held: Held): string {
    const token = this.#tokenPrefix + String(held.message.fields.deliveryTag);
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
   * stays unacknowledged and is told so.
   */
  async move(held: readonly Taken[], to: (parcel: Parcel) => Posting): Promise<readonly Published[]> {
    if (held.length === 0) return [];
    const published = await this.#office.post(
      held.map(({ parcel }) => to(parcel)),
      () => !this.connection.isLost,
    );
    await this.acknowledge(held.filter((_, i) => published[i] === "confirmed"));
    await this.drawing.barrier();
    return published;
  }

  /** The same; what could not be copied goes back to the server as it is. Resolves to what was moved. */
  async moveOrReturn<H extends Taken>(held: readonly H[], to: (parcel: Parcel) => Posting): Promise<readonly H[]> {
    const published = await this.move(held, to).catch(() => []);
    if (this.connection.isLost) return [];
    await this.giveUp(held.filter((_, i) => published[i] !== "confirmed"));
    return held.filter((_, i) => published[i] === "confirmed");
  }

  /** Back to the server as they are, which counts each as lost before 4.3. */
  async giveUp(held: readonly Taken[]): Promise<void> {
    await this.#endDraws(held);
    for (const { message } of held) this.drawing.acknowledging.reject(message);
  }

  /** Sends the acknowledgements; `drawing.barrier()` tells whether they arrived. */
  async acknowledge(held: readonly Taken[]): Promise<void> {
    await this.#endDraws(held);
    this.drawing.acknowledging.acknowledge(held.map(({ message }) => message));
  }

  /** While its consumer lives an acknowledgement would bring the next message, which nobody asked for. */
  async #endDraws(held: readonly Taken[]): Promise<void> {
    for (const draw of new Set(held.map(({ draw }) => draw))) await draw?.end();
  }
}

/** The job of a message, with what the server counted. */
export function read(message: AmqpMessage, queue: string, now: number): Parcel {
  const parcel = decode(message.content, queue, now);
  const lost = redeliveries(message);
  if (lost === 0) return parcel;
  const { fields } = parcel;
  return { ...parcel, fields: { ...fields, attempts: fields.attempts + lost, losses: fields.losses + lost } };
}

/** To the end of its queue, as if nothing had happened. */
export function back(parcel: Parcel): Posting {
  return { parcel, to: "jobs", delayMs: 0 };
}
