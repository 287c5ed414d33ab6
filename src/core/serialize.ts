import { invalidArgument, JobferryError } from "../errors/index.ts";
import { decodeEnvelope, encodeEnvelope, type Envelope } from "./envelope.ts";
import { type Job, JobSnapshot } from "./job.ts";
import { type JobOptions, type NewJob, UnsentJob } from "./new-job.ts";
import { decodePayload } from "./payload.ts";

/**
 * A whole job as bytes: a magic byte, a version, the lengths of head and envelope (four bytes each, big-endian), the head (JSON: id, name,
 * queue, priority, tags, times), the envelope, then the raw payload.
 */
type Head = Readonly<{
  id: string;
  name: string;
  queue: string;
  priority: number;
  tags: Readonly<Record<string, string>>;
  createdAt: number;
  /** Only of a job that was delayed until a time and not yet pushed: the envelope has the length of its delay. */
  runAt?: number | undefined;
  maxLosses?: number | undefined;
}>;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const MAGIC = 0x4a; // "J"
const VERSION = 1;
const PREFIX = 10;

function envelopeOf(job: Job | NewJob): Envelope {
  if (job instanceof JobSnapshot) return JobSnapshot.envelopeOf(job);
  if (job instanceof UnsentJob) return UnsentJob.envelopeOf(job);
  throw new JobferryError("INVALID_ARGUMENT", "serializeJob takes a job made by createJob, push, pop or a worker.");
}

/** The job's fields and payload as bytes, for a transport or a file of your own. State (attempts, leases) is not among them. */
export function serializeJob(job: Job | NewJob): Uint8Array {
  const { id, name, queue, priority, tags, createdAt } = job;
  const runAt = job instanceof UnsentJob ? UnsentJob.runAtOf(job) : undefined;
  const own = envelopeOf(job);
  const fields: Head = { id, name, queue, priority, tags, createdAt, runAt, maxLosses: own.maxLosses };
  const head = encoder.encode(JSON.stringify(fields));
  const envelope = encodeEnvelope(own);
  const payload = job.bytes;
  const bytes = new Uint8Array(PREFIX + head.length + envelope.length + payload.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = MAGIC;
  bytes[1] = VERSION;
  view.setUint32(2, head.length);
  view.setUint32(6, envelope.length);
  bytes.set(head, PREFIX);
  bytes.set(envelope, PREFIX + head.length);
  bytes.set(payload, PREFIX + head.length + envelope.length);
  return bytes;
}

/** @throws ENVELOPE_NEWER, ENVELOPE_DAMAGED, INVALID_ARGUMENT */
export function deserializeJob(bytes: Uint8Array): NewJob {
  if (!(bytes instanceof Uint8Array)) throw invalidArgument("bytes", bytes, "a Uint8Array that serializeJob() gave");
  if (bytes[0] !== MAGIC || bytes.length < PREFIX) throw damaged("they do not start as a serialized job does");
  if (bytes[1] !== VERSION)
    throw new JobferryError(
      "ENVELOPE_NEWER",
      `The job was serialized by version ${bytes[1]}; this one reads ${VERSION}. Upgrade this process.`,
    );
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headEnd = PREFIX + view.getUint32(2);
  const envelopeEnd = headEnd + view.getUint32(6);
  if (envelopeEnd > bytes.length) throw damaged("they are cut short");
  const head = readHead(bytes.subarray(PREFIX, headEnd));
  const envelope = decodeEnvelope(bytes.subarray(headEnd, envelopeEnd));
  const payload = decodePayload(envelope.kind, bytes.slice(envelopeEnd));
  try {
    return UnsentJob.restore(payload, optionsOf(head, envelope), head.createdAt, envelope);
  } catch (cause) {
    throw damaged("a field is out of range", cause);
  }
}

function readHead(bytes: Uint8Array): Head {
  let head: unknown;
  try {
    head = JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw damaged("their head is not JSON", cause);
  }
  if (!isHead(head)) throw damaged("their head has not the fields of a job");
  return head;
}

/** The shape; the constructor of the job checks texts, lengths and ranges. */
function isHead(head: unknown): head is Head {
  if (typeof head !== "object" || head === null) return false;
  const { id, name, queue, priority, tags, createdAt, runAt } = head as Partial<Record<keyof Head, unknown>>;
  const texts = [id, name, queue].every((text) => typeof text === "string");
  const numbers = [priority, createdAt, runAt ?? 0].every((number) => typeof number === "number");
  return texts && numbers && typeof tags === "object";
}

function optionsOf(head: Head, envelope: Envelope): JobOptions {
  const { id, name, queue, priority, tags, runAt, maxLosses } = head;
  const { maxAttempts, maxExceptions, backoff, timeout, retryUntil, headers } = envelope;
  const delay = runAt === undefined ? envelope.delay : new Date(runAt);
  return {
    ...{ id, name, queue, priority, tags, delay, headers },
    ...(maxLosses === undefined ? {} : { maxLosses }),
    ...(maxAttempts === undefined ? {} : { maxAttempts }),
    ...(maxExceptions === undefined ? {} : { maxExceptions }),
    ...(backoff === undefined ? {} : { backoff }),
    ...(timeout === undefined ? {} : { timeout }),
    ...(retryUntil === undefined ? {} : { retryUntil: new Date(retryUntil) }),
  };
}

function damaged(why: string, cause?: unknown): JobferryError {
  return new JobferryError("ENVELOPE_DAMAGED", `The bytes are not a serialized job: ${why}.`, { cause });
}
