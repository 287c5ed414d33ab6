import type { StoredJob } from "../../contract/index.ts";
// Not the whole core: a child starts with a third of the modules.
import { decodeEnvelope } from "../../core/envelope.ts";
import { JobSnapshot } from "../../core/job.ts";
import type { JobParcel } from "./messages.ts";

/** @throws PAYLOAD_INVALID for a value that a memory queue with `copy: false` kept and that no bytes can carry. */
export function packJob(job: StoredJob): JobParcel {
  return {
    id: job.id,
    queue: job.queue,
    name: job.name,
    priority: job.priority,
    tags: job.tags,
    envelope: tight(job.envelope),
    payload: tight(job.payload),
    attempts: job.attempts,
    losses: job.losses,
    exceptions: job.exceptions,
    createdAt: job.createdAt,
    availableAt: job.availableAt,
    reservedAt: job.reservedAt,
  };
}

/** The snapshot that the handler gets, the same as without a border in between. */
export function unpackJob(parcel: JobParcel): JobSnapshot {
  const stored: StoredJob = {
    ...parcel,
    item: undefined,
    state: "reserved",
    finishedAt: undefined,
    failure: undefined,
    result: undefined,
  };
  return new JobSnapshot(stored, decodeEnvelope(parcel.envelope));
}

/** A structured clone of a view copies the whole buffer behind it. */
function tight(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : Uint8Array.from(bytes);
}
