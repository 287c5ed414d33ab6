import type { PushItem } from "../../contract/index.ts";
import { JobferryError, UnsupportedError } from "../../errors/index.ts";
import { MAX_DURATION_MS } from "../../runtime/index.ts";

export type PushLimits = Readonly<{
  /** As it stands in messages. */
  title: string;
  payloadBytes: number;
  /** Integers from minus it to it. */
  priority: number;
}>;

/** Why a job is refused, for its own fault. */
export function faultOf(job: PushItem, now: number, limits: PushLimits): JobferryError | undefined {
  if (!isSurelyShort(job, limits.payloadBytes) && job.payload.length > limits.payloadBytes) {
    return new JobferryError(
      "PAYLOAD_TOO_LARGE",
      `The payload of job ${JSON.stringify(job.id)} has ${job.payload.length} bytes; ${limits.title} queues take at most ${limits.payloadBytes}. Store it elsewhere and push where it lies.`,
    );
  }
  if (!(Math.abs(job.priority) <= limits.priority)) {
    return new UnsupportedError(
      "priority",
      `priority is ${job.priority}; ${limits.title} queues take integers from ${-limits.priority} to ${limits.priority}.`,
    );
  }
  if (!(job.runAt === undefined ? job.delayMs <= MAX_DURATION_MS : job.runAt - now <= MAX_DURATION_MS)) {
    return new UnsupportedError(
      "delay",
      `The delay of job ${JSON.stringify(job.id)} is longer than 100 years (${MAX_DURATION_MS} ms).`,
    );
  }
  return undefined;
}

/** A payload that is text need not be encoded to know. */
export function isSurelyShort({ payloadText }: PushItem, bytes: number): boolean {
  return payloadText !== undefined && payloadText.length * 3 <= bytes;
}
