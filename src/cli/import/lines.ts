import { JobferryError } from "../../entry/index.ts";

/** From 1. Without its line feed, and without the carriage return before it. */
export type Line = Readonly<{ number: number; bytes: Uint8Array }>;

/** Above the largest payload with every character escaped. A file that is one endless line must not fill the memory. */
export const MAX_LINE_BYTES: number = 8 * 1024 * 1024;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** The lines that each chunk completes. @throws INPUT_INVALID for a line above the limit, before it is read to its end. */
export async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Line[], void, undefined> {
  let number = 1;
  let parts: Uint8Array[] = [];
  let length = 0;
  const add = (part: Uint8Array): void => {
    length += part.length;
    if (length > MAX_LINE_BYTES) throw tooLong(number);
    if (part.length > 0) parts.push(part);
  };
  const take = (): Line => {
    const line = { number, bytes: withoutReturn(parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts)) };
    number += 1;
    parts = [];
    length = 0;
    return line;
  };
  for await (const chunk of chunks) {
    const lines: Line[] = [];
    let from = 0;
    for (let at = chunk.indexOf(LINE_FEED); at >= 0; at = chunk.indexOf(LINE_FEED, from)) {
      add(chunk.subarray(from, at));
      lines.push(take());
      from = at + 1;
    }
    yield lines;
    add(chunk.subarray(from));
  }
  if (length > 0) yield [take()];
}

function withoutReturn(bytes: Uint8Array): Uint8Array {
  return bytes.at(-1) === CARRIAGE_RETURN ? bytes.subarray(0, -1) : bytes;
}

function tooLong(number: number): JobferryError {
  return new JobferryError(
    "INPUT_INVALID",
    `Line ${number} is longer than ${MAX_LINE_BYTES} bytes. Give each job a line of its own, and store large payloads elsewhere.`,
  );
}
