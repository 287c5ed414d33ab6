import type { PushItem, PushResult } from "../../contract/index.ts";
import { faultOf, type PushLimits } from "../shared/push-limits.ts";
import type { Column } from "./arrays.ts";
import { storedTags } from "./job-row.ts";
import { MAX_PAYLOAD_BYTES, MAX_PRIORITY } from "./limits.ts";
import { storedText } from "./text.ts";

const LIMITS: PushLimits = { title: "PostgreSQL", payloadBytes: MAX_PAYLOAD_BYTES, priority: MAX_PRIORITY };
const STORED: PushResult = { status: "stored" };
const EXISTS: PushResult = { status: "exists" };
const UNKNOWN: PushResult = { status: "unknown" };
const MAX_INTEGER = 2 ** 31 - 1;

/** The parameters of the function `push`, a column each. */
export function pushColumns(jobs: readonly PushItem[]): readonly Column[] {
  const queues: string[] = [];
  const places = jobs.map(({ queue }) => {
    const known = queues.lastIndexOf(queue);
    return known === -1 ? queues.push(queue) : known + 1;
  });
  return [
    { type: "text", values: queues.map(storedText) },
    { type: "int4", values: once(places) },
    { type: "text", values: jobs.map(({ id }) => storedText(id)) },
    { type: "text", values: once(jobs.map(({ name }) => storedText(name))) },
    { type: "int4", values: once(jobs.map(({ priority }) => priority)) },
    { type: "int4", values: once(jobs.map(({ maxLosses }) => Math.min(maxLosses, MAX_INTEGER))) },
    { type: "float8", values: once(jobs.map(({ createdAt }) => createdAt)) },
    { type: "float8", values: once(jobs.map(({ delayMs }) => delayMs)) },
    { type: "float8", values: orNone(jobs.map(({ runAt }) => runAt ?? null)) },
    { type: "text", values: orNone(jobs.map(({ tags }) => storedTags(tags))) },
    { type: "bytea", values: jobs.map(({ envelope }) => envelope) },
    { type: "bytea", values: jobs.map(({ payload }) => payload) },
  ];
}

/** Keeps back what must not be sent: `good` goes on, and `merge` puts its answers among the refusals. */
export function sift(
  jobs: readonly PushItem[],
  now: number,
): Readonly<{ good: readonly PushItem[]; merge: (answers: readonly PushResult[]) => readonly PushResult[] }> {
  const faults = jobs.map((job) => faultOf(job, now, LIMITS));
  if (faults.every((error) => error === undefined)) return { good: jobs, merge: (answers) => answers };
  return {
    good: jobs.filter((_, i) => faults[i] === undefined),
    merge: (answers) => {
      const left = [...answers];
      return faults.map((error) => (error === undefined ? (left.shift() ?? UNKNOWN) : { status: "refused", error }));
    },
  };
}

/** What is the same for the whole batch is sent once; the function takes it for all. */
function once<T extends string | number>(values: readonly T[]): readonly T[] {
  const [first] = values;
  return values.every((value) => value === first) ? values.slice(0, 1) : values;
}

/** NULL for all need not be sent. */
function orNone<T>(values: readonly (T | null)[]): readonly (T | null)[] {
  return values.every((value) => value === null) ? [] : values;
}

/** `answer`: what the function gave. Of one id that came twice in a batch the first is the stored one. */
export function pushResults(jobs: readonly PushItem[], answer: string | null | undefined): readonly PushResult[] {
  if (typeof answer !== "string") return jobs.map(() => STORED);
  const stored = new Set(JSON.parse(answer) as readonly string[]);
  return jobs.map(({ id }) => (stored.delete(storedText(id)) ? STORED : EXISTS));
}

export function unknownPushes(jobs: readonly PushItem[]): readonly PushResult[] {
  return jobs.map(() => UNKNOWN);
}
