import { JobferryError } from "../../errors/index.ts";

/** The server closes the channel of what is larger than its `max_message_size`, and only then says how much it takes. */
const TOLD = /message size \d+ is larger than (?:configured )?max size (\d+)/;

/** What the server has told of its limit when it ended a channel for `reason`. */
export function toldLimit(reason: unknown): number | undefined {
  const told = reason instanceof Error ? TOLD.exec(reason.message)?.[1] : undefined;
  return told === undefined ? undefined : Number(told);
}

export function overLimit(bytes: number, limit: number): JobferryError {
  return new JobferryError(
    "PAYLOAD_TOO_LARGE",
    `The message has ${bytes} bytes, and the server's max_message_size is ${limit}. Set the option maxMessageBytes to ${limit}, so that no such job is sent, and push a reference to what is larger; or raise max_message_size.`,
  );
}
