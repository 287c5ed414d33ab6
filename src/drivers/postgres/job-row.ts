import type { JobFailure, JobState, Reservation, StoredJob, Texts } from "../../contract/index.ts";
import type { Row } from "./connections.ts";
import { textOf } from "./text.ts";

/** Of `jobs.state`. */
export const STATES: readonly JobState[] = ["pending", "delayed", "reserved", "failed", "completed"];
const NO_TAGS: Texts = Object.freeze({});

/** `token` is the job's place, which no later reservation of any job has. */
export type PostgresReservation = Reservation & Readonly<{ token: number }>;

export function tagsOf(stored: string | null | undefined): Texts {
  return typeof stored === "string" ? (JSON.parse(stored) as Texts) : NO_TAGS;
}

export function storedTags(tags: Texts): string | null {
  for (const _ in tags) return JSON.stringify(tags);
  return null;
}

export function failureOf(stored: string | null | undefined): JobFailure | undefined {
  if (typeof stored !== "string") return undefined;
  const { code, name, message, stack } = JSON.parse(stored) as JobFailure;
  return { code, name, message, stack };
}

const maybe = (value: string | null | undefined): number | undefined =>
  typeof value === "string" ? Number(value) : undefined;

/** A row as `claim`, `maintain` and the statement `jobs` give it. The first two columns are the caller's business. */
export function storedJob(row: Row, state: JobState, queue: string): StoredJob {
  const [, , , id, name, priority, tags, attempts, losses, exceptions, createdAt, availableAt, reservedAt] = row;
  const [finishedAt, failure, envelope, payload, result] = row.slice(13);
  return {
    item: undefined,
    id: textOf(id ?? ""),
    queue,
    name: textOf(name ?? ""),
    priority: Number(priority),
    tags: tagsOf(tags),
    envelope: bytesOf(envelope ?? ""),
    payload: bytesOf(payload ?? ""),
    state,
    attempts: Number(attempts),
    losses: Number(losses),
    exceptions: Number(exceptions),
    createdAt: Number(createdAt),
    availableAt: Number(availableAt),
    reservedAt: maybe(reservedAt),
    finishedAt: maybe(finishedAt),
    failure: failureOf(failure),
    result: typeof result === "string" ? bytesOf(result) : undefined,
  };
}

/** A bytea in the server's text form: hex, or the older form where `bytea_output` says so. */
function bytesOf(text: string): Uint8Array {
  if (text.startsWith("\\x")) return plainBytes(Buffer.from(text.slice(2), "hex"));
  const plain = text.replace(/\\(\\|[0-7]{3})/g, (_, escaped: string) =>
    escaped === "\\" ? "\\" : String.fromCharCode(Number.parseInt(escaped, 8)),
  );
  return plainBytes(Buffer.from(plain, "latin1"));
}

function plainBytes({ buffer, byteOffset, length }: Buffer): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length);
}
