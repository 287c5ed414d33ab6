import { createJob, JobferryError, type JobOptions, type NewJob } from "../../entry/index.ts";
import { CliError } from "../cli-error.ts";
import { EXIT } from "../exit-codes.ts";
import type { Line } from "./lines.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });
const DATE = /^\d{4}-\d\d-\d\d(T|$)/;
/** JSON that is parsed and written again grows at most this many times (numbers such as 1e20). */
const MOST_GROWTH = 6;

/** What a job of a line without these fields gets. */
export type LineDefaults = Omit<JobOptions, "id">;

/**
 * The job of one line: `{"payload": …}` and any option of createJob. undefined for an empty line.
 * @throws CliError INPUT_INVALID that names the line and the field.
 */
export function jobOfLine(line: Line, defaults: LineDefaults, maxPayloadBytes: number): NewJob | undefined {
  try {
    const text = decodeLine(line);
    if (text.trim() === "") return undefined;
    const job = jobOf(parseJson(text), defaults);
    if (line.bytes.length * MOST_GROWTH > maxPayloadBytes && job.bytes.length > maxPayloadBytes) {
      throw new JobferryError(
        "PAYLOAD_TOO_LARGE",
        `payload has ${job.bytes.length} bytes; at most ${maxPayloadBytes} are taken. Store it elsewhere and push a reference to it.`,
      );
    }
    return job;
  } catch (error) {
    throw badLine(line.number, error);
  }
}

export function badLine(number: number, cause: unknown): CliError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new CliError("INPUT_INVALID", EXIT.usage, `Line ${number}: ${reason}`, { cause, details: { line: number } });
}

function decodeLine({ number, bytes }: Line): string {
  try {
    const text = decoder.decode(bytes);
    return number === 1 ? text.replace(/^\uFEFF/, "") : text;
  } catch (cause) {
    throw new JobferryError("INPUT_INVALID", "not UTF-8. Convert the file to UTF-8 first.", { cause });
  }
}

/** Without a piece of the text in the error, as the engine's own message has it: a payload may hold a secret. @throws INPUT_INVALID */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const position = error instanceof Error ? /position (\d+)/.exec(error.message)?.[1] : undefined;
    const where = position === undefined ? "" : ` from character ${Number(position) + 1} on`;
    throw new JobferryError("INPUT_INVALID", `not JSON${where}.`);
  }
}

function jobOf(value: unknown, defaults: LineDefaults): NewJob {
  if (typeof value !== "object" || value === null || Array.isArray(value) || !Object.hasOwn(value, "payload")) {
    throw new JobferryError(
      "INPUT_INVALID",
      'not a job. Write an object with "payload", such as {"payload":{"to":1}}.',
    );
  }
  const { payload, ...options } = value as Readonly<{ payload: unknown }> & Record<string, unknown>;
  for (const field of ["delay", "retryUntil"]) {
    if (typeof options[field] === "string") options[field] = whenOf(field, options[field]);
  }
  // createJob checks every field and refuses unknown ones; null is no way to leave a field out.
  return createJob<unknown>(payload, { ...defaults, ...(options as JobOptions) });
}

/** A time such as 2030-01-31T08:00:00Z, or a duration, which createJob checks. @throws INVALID_ARGUMENT for a time that is none. */
export function whenOf(field: string, text: string): NonNullable<JobOptions["delay"]> {
  if (!DATE.test(text)) return text as NonNullable<JobOptions["delay"]>;
  const time = new Date(text);
  if (!Number.isNaN(time.getTime())) return time;
  throw new JobferryError(
    "INVALID_ARGUMENT",
    `${field} is ${JSON.stringify(text.slice(0, 40))}, which is no time. Write it as 2030-01-31T08:00:00Z.`,
  );
}
