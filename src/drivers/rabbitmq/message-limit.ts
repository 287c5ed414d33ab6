import type { Clock } from "../../contract/index.ts";
import { JobferryError } from "../../errors/index.ts";

/** What the envelope and the fields of a job may take of a message beside its payload. */
export const HEADROOM: number = 64 * 1024;

/** The server closes the channel of what is larger than its `max_message_size`, and only then says how much it takes. */
const TOLD = /message size \d+ is larger than (?:configured )?max size (\d+)/;
const PRECONDITION_FAILED = 406;
/** The server behind the next connection may take more, and nothing tells. So then one message may try, which costs its connection where it may not. */
const HOLDS_MS = 60_000;
/** The least that the option takes. */
const LEAST_OPTION = 2 * HEADROOM;

/** What the server has told of its limit when it ended a channel for `reason`. */
export function toldLimit(reason: unknown): number | undefined {
  if (!(reason instanceof Error) || !("code" in reason) || reason.code !== PRECONDITION_FAILED) return undefined;
  const told = TOLD.exec(reason.message)?.[1];
  return told === undefined ? undefined : Number(told);
}

/** What is known of the server's limit beside the option: what it told lately. */
export class MessageLimit {
  readonly #clock: Clock;
  #told = Infinity;
  #until = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  told(bytes: number): void {
    this.#told = bytes;
    this.#until = this.#clock.monotonic() + HOLDS_MS;
  }

  get bytes(): number {
    // Asked for each message: mostly nothing was told, and the clock is not read.
    if (this.#told !== Infinity && this.#clock.monotonic() >= this.#until) this.#told = Infinity;
    return this.#told;
  }

  /** For what is pushed: a job grows by its failure, and could not be failed or released if it was stored as large as can be. */
  get pushBytes(): number {
    const { bytes } = this;
    return Math.max(bytes - HEADROOM, bytes / 2);
  }
}

/** `most`: what it may have. */
export function overLimit(bytes: number, limit: number, most: number = limit): JobferryError {
  const room = most === limit ? "" : `, of which a job leaves ${limit - most} for its failure`;
  const option =
    limit < LEAST_OPTION ? "Push" : `Set the option maxMessageBytes to ${limit}, so that no such job is sent, and push`;
  return new JobferryError(
    "PAYLOAD_TOO_LARGE",
    `The message has ${bytes} bytes, and the server's max_message_size is ${limit}${room}. ${option} a reference to what is larger; or raise max_message_size.`,
  );
}
