import type { JobFailure, JobState, PushItem, StoredJob } from "../../contract/index.ts";
import { JobferryError } from "../../errors/index.ts";
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

/** @throws STORE_CORRUPT for what is none of ours. */
export function decodeJob(key: string, bytes: Uint8Array): Kept {
  try {
    const [text, envelope, payload, rest] = partsOf(bytes);
    const json = Buffer.from(text.buffer, text.byteOffset, text.length).toString();
    const { hasResult, ...head } = JSON.parse(json) as Head;
    const { failure, reservedAt, finishedAt } = head;
    return {
      ...{ ...head, reservedAt, finishedAt, envelope, payload },
      failure: failure === undefined ? undefined : { ...failure, stack: failure.stack },
      result: hasResult ? rest : undefined,
    };
  } catch (cause) {
    throw new JobferryError("STORE_CORRUPT", `The key ${key} does not hold a job. Somebody else wrote it; remove it.`, {
      cause,
    });
  }
}

function partsOf(bytes: Uint8Array): readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const parts: Uint8Array[] = [];
  let at = 0;
  for (let part = 0; part < 3; part += 1) {
    const end = at + 4 + view.getUint32(at);
    if (end > bytes.length) throw new RangeError("cut off");
    parts.push(end === at + 4 ? NO_BYTES : bytes.subarray(at + 4, end));
    at = end;
  }
  const [text = NO_BYTES, envelope = NO_BYTES, payload = NO_BYTES] = parts;
  return [text, envelope, payload, bytes.subarray(at)];
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
