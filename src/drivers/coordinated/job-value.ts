import type { JobFailure, JobState, PushItem, StoredJob } from "../../contract/index.ts";
import { MAX_FAILURE_BYTES, MAX_FAILURE_TEXT } from "./limits.ts";

/** A job as it lies in the store. `leaseMs`: the longest lease that its holder may count on; `ttlMs`: of the holder's session. 0 when nobody holds it. */
export type Kept = Readonly<Omit<StoredJob, "item" | "state"> & { maxLosses: number; leaseMs: number; ttlMs: number }>;

type Head = Readonly<Omit<Kept, "envelope" | "payload" | "result"> & { hasResult: boolean }>;

const NO_BYTES = new Uint8Array(0);

/** Length and JSON of the head, length and bytes of the envelope, length and bytes of the payload, the result where there is one. */
export function encodeJob({ envelope, payload, result, ...head }: Kept): Uint8Array {
  const text = Buffer.from(JSON.stringify({ ...head, hasResult: result !== undefined } satisfies Head));
  const bytes = Buffer.allocUnsafe(12 + text.length + envelope.length + payload.length + (result?.length ?? 0));
  let at = 0;
  for (const part of [text, envelope, payload]) {
    bytes.writeUInt32BE(part.length, at);
    bytes.set(part, at + 4);
    at += 4 + part.length;
  }
  if (result !== undefined) bytes.set(result, at);
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** undefined for what is no job: it was damaged, or somebody else wrote it. */
export function decodeJob(bytes: Uint8Array): Kept | undefined {
  try {
    const [text, envelope, payload, rest] = partsOf(bytes);
    const { hasResult, ...head } = headOf(text);
    return { ...head, envelope, payload, result: hasResult ? rest : undefined };
  } catch {
    return undefined;
  }
}

/** The head alone, where no more can be read. */
export function decodeHead(bytes: Uint8Array): Omit<Head, "hasResult"> | undefined {
  try {
    const { hasResult: _hasResult, ...head } = headOf(partOf(bytes, 0));
    return head;
  } catch {
    return undefined;
  }
}

/** @throws for what no head has. */
function headOf(text: Uint8Array): Head {
  const head: unknown = JSON.parse(Buffer.from(text.buffer, text.byteOffset, text.length).toString());
  if (!isHead(head)) throw new TypeError("not the head of a job");
  const { failure, reservedAt, finishedAt } = head;
  const whole = failure === undefined ? undefined : { ...failure, stack: failure.stack };
  return { ...head, reservedAt, finishedAt, failure: whole };
}

const TEXTS = ["id", "queue", "name"] as const;
const NUMBERS = [
  ...(["priority", "createdAt", "availableAt", "attempts", "losses", "exceptions"] as const),
  ...(["maxLosses", "leaseMs", "ttlMs"] as const),
];

function isHead(value: unknown): value is Head {
  if (!isObject(value)) return false;
  const { failure, tags, reservedAt, finishedAt } = value;
  return (
    TEXTS.every((name) => typeof value[name] === "string") &&
    NUMBERS.every((name) => typeof value[name] === "number") &&
    [reservedAt, finishedAt].every((time) => time === undefined || typeof time === "number") &&
    isObject(tags) &&
    Object.values(tags).every((tag) => typeof tag === "string") &&
    (failure === undefined || isFailure(failure))
  );
}

function isFailure(value: unknown): boolean {
  return isObject(value) && ["code", "name", "message"].every((name) => typeof value[name] === "string");
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function partsOf(bytes: Uint8Array): readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array] {
  const text = partOf(bytes, 0);
  const envelope = partOf(bytes, 4 + text.length);
  const end = 8 + text.length + envelope.length;
  const payload = partOf(bytes, end);
  return [text, envelope, payload, bytes.subarray(end + 4 + payload.length)];
}

/** @throws RangeError when it is cut off. */
function partOf(bytes: Uint8Array, at: number): Uint8Array {
  const end = at + 4 + new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(at);
  if (end > bytes.length) throw new RangeError("cut off");
  return end === at + 4 ? NO_BYTES : bytes.subarray(at + 4, end);
}

export function pushed(item: PushItem, now: number): Kept {
  const { id, queue, name, priority, tags, createdAt, envelope, payload } = item;
  const wait = item.runAt === undefined ? item.delayMs : item.runAt - now;
  return {
    ...{ id, queue, name, priority, tags, createdAt, envelope, payload },
    availableAt: Math.ceil(now + Math.max(0, wait)),
    maxLosses: Math.min(item.maxLosses, Number.MAX_SAFE_INTEGER),
    ...{ attempts: 0, losses: 0, exceptions: 0, leaseMs: 0, ttlMs: 0 },
    ...{ reservedAt: undefined, finishedAt: undefined, failure: undefined, result: undefined },
  };
}

export function stored(kept: Kept, state: JobState): StoredJob {
  const { maxLosses: _maxLosses, leaseMs: _leaseMs, ttlMs: _ttlMs, ...job } = kept;
  return { item: undefined, state, ...job };
}

/** Cut to what fits beside the payload. */
export function shortened({ code, name, message, stack }: JobFailure): JobFailure {
  return { code, name: cut(name), message: cut(message), stack: stack === undefined ? undefined : cut(stack) };
}

/** Some characters are six bytes as JSON: such a text is cut in half until it fits. */
function cut(text: string): string {
  let kept = text.slice(0, MAX_FAILURE_TEXT);
  while (Buffer.byteLength(JSON.stringify(kept)) > MAX_FAILURE_BYTES) kept = kept.slice(0, kept.length / 2);
  return kept.length < text.length ? `${kept}…` : text;
}

export function released(job: Kept, availableAt: number): Kept {
  return { ...job, availableAt, reservedAt: undefined, leaseMs: 0, ttlMs: 0 };
}

/** The lease ran out, or whoever held it died. */
export function lost(job: Kept, now: number): Readonly<{ job: Kept; isDead: boolean }> {
  const losses = job.losses + 1;
  const back = { ...released(job, now), losses };
  if (losses < job.maxLosses) return { job: back, isDead: false };
  const failure: JobFailure = {
    code: "LEASE_EXPIRED",
    name: "JobferryError",
    message: `The lease ran out ${losses} times (maxLosses): the worker died or blocked its event loop each time.`,
    stack: undefined,
  };
  return { job: { ...back, availableAt: job.availableAt, failure, finishedAt: Math.floor(now) }, isDead: true };
}
