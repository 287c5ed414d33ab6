import type { AmqpMessage } from "./client.ts";
import type { Connection } from "./connection.ts";
import { Drawing } from "./drawing.ts";
import type { Draw } from "./drawing.ts";
import { decode, redeliveries } from "./message.ts";
import type { Parcel } from "./message.ts";
import type { PostOffice, Posting } from "./posting.ts";
import type { Published } from "./publishing.ts";

/** A message that this connection holds, its job with all its counts, and the draw that it came with. */
export type Held = Readonly<{ message: AmqpMessage; parcel: Parcel; draw: Draw | undefined }>;

/** What one consuming connection holds. It dies with the connection: then the server gives everything to somebody else. */
export class Session {
  readonly connection: Connection;
  readonly drawing: Drawing;
  readonly #office: PostOffice;
  readonly #tokenPrefix: string;
  readonly #held = new Map<string, Held>();
  readonly #parked = new Map<string, Draw[]>();
  readonly #now: () => number;

  /** `instance` is unique to this driver, so that no token of another process is ever taken for one of ours. */
  constructor(connection: Connection, instance: string, office: PostOffice, now: () => number) {
    this.connection = connection;
    this.#office = office;
    this.#now = now;
    this.#tokenPrefix = `${instance}-${connection.number}-`;
    this.drawing = new Drawing(connection, (message) => {
      this.#giveBack("default", message, undefined);
    });
  }

  /** A consumer that waits for one message: one that was left over from an earlier wait, or a new one. */
  async waiting(queue: string, address: string): Promise<Draw> {
    const draw = this.#parked.get(queue)?.pop();
    return draw ?? this.drawing.begin(address, 1);
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
    const parcel = read(message, queue, this.#now());
    this.move([{ message, parcel, draw }], back).then(
      ([result]) => {
        if (result !== "confirmed") this.drawing.acknowledging.reject(message);
      },
      (error: unknown) => this.connection.lose(error),
    );
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
    return held;
  }

  putBack(token: string, held: Held): void {
    this.#held.set(token, held);
  }

  /**
   * Copies to another place, then acknowledges: a crash in between leaves the job twice, never not at all. What could not be copied
   * stays unacknowledged and is told so.
   */
  async move(held: readonly Held[], to: (parcel: Parcel) => Posting): Promise<readonly Published[]> {
    if (held.length === 0) return [];
    const published = await this.#office.post(held.map(({ parcel }) => to(parcel)));
    await this.acknowledge(held.filter((_, i) => published[i] === "confirmed"));
    await this.drawing.barrier();
    return published;
  }

  /** Sends the acknowledgements; `drawing.barrier()` tells whether they arrived. */
  async acknowledge(held: readonly Held[]): Promise<void> {
    const draws = new Set(held.map(({ draw }) => draw));
    // While its consumer lives an acknowledgement would bring the next message, which nobody asked for.
    for (const draw of draws) await draw?.end();
    this.drawing.acknowledging.acknowledge(held.map(({ message }) => message));
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
