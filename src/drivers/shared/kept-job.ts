import type { JobFailure, PushItem, StoredJob } from "../../contract/index.ts";

/** A job with everything that must survive its stay in the second store. */
export type KeptJob = Readonly<{ job: StoredJob; maxLosses: number }>;

type Written = Readonly<{
  queue: string;
  maxLosses: number;
  attempts: number;
  losses: number;
  exceptions: number;
  availableAt: number;
  failure?: JobFailure | undefined;
}>;

/** The second store sees an envelope of ours: length and JSON of what the store has no field for, then the job's own envelope. */
export function itemOf({ job, maxLosses }: KeptJob, place: string, delayMs: number): PushItem {
  const { id, queue, name, priority, tags, createdAt, attempts, losses, exceptions, availableAt, failure } = job;
  const written: Written = { queue, maxLosses, attempts, losses, exceptions, availableAt, failure };
  const text = Buffer.from(JSON.stringify(written));
  const head = Buffer.alloc(4);
  head.writeUInt32BE(text.length);
  const envelope = new Uint8Array(Buffer.concat([head, text, job.envelope]));
  const rest = { sequence: undefined, runAt: undefined, maxLosses: Number.MAX_SAFE_INTEGER };
  return { id, queue: place, name, priority, tags, createdAt, envelope, payload: job.payload, delayMs, ...rest };
}

/** undefined for a job that somebody else put there. */
export function keptOf(stored: StoredJob): KeptJob | undefined {
  const written = readWritten(stored.envelope);
  if (written === undefined) return undefined;
  const { fields, envelope } = written;
  const { maxLosses, queue, attempts, losses, exceptions, availableAt } = fields;
  // Field by field: a store's job may be an object whose fields are getters, which a spread leaves behind.
  const { id, name, priority, tags, createdAt, payload, state, finishedAt, result } = stored;
  const failure = stored.failure ?? (fields.failure && { ...fields.failure, stack: fields.failure.stack });
  return {
    job: {
      ...{ item: undefined, id, queue, name, priority, tags, createdAt, availableAt, envelope, payload, state },
      ...{ attempts, losses, exceptions, reservedAt: undefined, failure, finishedAt, result },
    },
    maxLosses,
  };
}

function readWritten(bytes: Uint8Array): Readonly<{ fields: Written; envelope: Uint8Array }> | undefined {
  if (bytes.length < 4) return undefined;
  const end = 4 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  if (end > bytes.length) return undefined;
  try {
    const fields = JSON.parse(new TextDecoder().decode(bytes.subarray(4, end))) as Written;
    return { fields, envelope: bytes.subarray(end) };
  } catch {
    return undefined;
  }
}
