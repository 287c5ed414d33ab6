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

  /** `instance` is unique to this driver, so that no token of another process is ever taken for one of ours. */
  constructor(connection: Connection, instance: string, office: PostOffice, now: () => number) {
    this.connection = connection;
    this.#office = office;
    this.#tokenPrefix = `${instance}-${connection.number}-`;
    this.drawing = new Drawing(connection, (message) => {
      const parcel = read(message, "default", now());
      this.move([{ message, parcel, draw: undefined }], back).catch((error: unknown) => connection.lose(error));
    });
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
    return published;
  }

  /** Sends the acknowledgements; `drawing.barrier()` tells whether they arrived. */
  async acknowledge(held: readonly Held[]): Promise<void> {
    const draws = new Set(held.map(({ draw }) => draw));
    // While its consumer lives an acknowledgement would bring the next message, which nobody asked for.
    for (const draw of draws) await draw?.end();
    for (const { message } of held) this.connection.channel.ack(message);
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
