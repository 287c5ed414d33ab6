import type { JobRecord } from "../entry/index.ts";
import { oneLine, printable, table } from "./tables.ts";
import { relative, rfc3339 } from "./times.ts";

/** A job as `--json` shows it: RFC 3339 times, durations in milliseconds, bytes as base64. */
export function recordJson(job: JobRecord): Readonly<Record<string, unknown>> {
  const { id, name, queue, state, priority, attempts, losses, exceptions, maxAttempts, tags, headers } = job;
  const { failure, damage } = job;
  return {
    ...{ id, name, queue, state, priority, attempts, losses, exceptions },
    maxAttempts: maxAttempts ?? null,
    timeoutMs: job.timeout ?? null,
    ...{ tags, headers },
    createdAt: rfc3339(job.createdAt),
    availableAt: rfc3339(job.availableAt),
    reservedAt: rfc3339(job.reservedAt),
    finishedAt: rfc3339(job.finishedAt),
    ...valueJson("payload", job.payload),
    ...(job.state === "completed" ? valueJson("result", job.result) : {}),
    failure: failure ?? null,
    ...(damage === undefined ? {} : { damage }),
  };
}

function valueJson(field: string, value: unknown): Readonly<Record<string, unknown>> {
  if (value instanceof Uint8Array) return { [`${field}Base64`]: Buffer.from(value).toString("base64") };
  return { [field]: value ?? null };
}

export function recordsTable(jobs: readonly JobRecord[], now: number): string {
  const columns = [
    { head: "ID", max: 60 },
    { head: "QUEUE" },
    { head: "NAME" },
    { head: "STATE" },
    { head: "ATTEMPTS", align: "right" },
    { head: "CREATED" },
    { head: "PAYLOAD" },
  ] as const;
  const rows = jobs.map((job) => [
    ...[job.id, job.queue, job.name, job.state, attemptsOf(job)],
    ...[relative(job.createdAt, now), payloadText(job.payload)],
  ]);
  return table(columns, rows);
}

export function failedTable(jobs: readonly JobRecord[], now: number): string {
  const columns = [
    { head: "ID", max: 60 },
    { head: "QUEUE" },
    { head: "NAME" },
    { head: "ATTEMPTS", align: "right" },
    { head: "FAILED" },
    { head: "CODE" },
    { head: "ERROR", max: 60 },
  ] as const;
  const rows = jobs.map((job) => [
    ...[job.id, job.queue, job.name, attemptsOf(job), relative(job.finishedAt, now)],
    ...[job.failure?.code ?? "-", job.failure?.message ?? "-"],
  ]);
  return table(columns, rows);
}

/** Everything of one job, a field a line, its payload and stack at full length. */
export function recordText(job: JobRecord): string {
  const { payload, failure, damage, result, ...fields } = recordJson(job) as Readonly<Record<string, unknown>> & {
    readonly failure: JobRecord["failure"] | null;
    readonly damage?: JobRecord["failure"];
    readonly payload?: unknown;
    readonly result?: unknown;
  };
  const rows = Object.entries(fields)
    .filter(([, value]) => value !== null && !isEmptyObject(value))
    .map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]);
  const parts = [table([{ head: "FIELD" }, { head: "VALUE", max: 10_000 }], rows)];
  if (payload !== undefined) parts.push(`payload\n${indented(JSON.stringify(payload, undefined, 2))}`);
  if (result !== undefined) parts.push(`result\n${indented(JSON.stringify(result, undefined, 2))}`);
  const why = damage ?? failure;
  if (why) parts.push(`failure ${why.code}\n${indented(why.stack ?? `${why.name}: ${why.message}`)}`);
  return parts.join("\n\n");
}

/** Lost leases are no attempts here: `maxAttempts` does not count them either. */
function attemptsOf({ attempts, losses, maxAttempts }: JobRecord): string {
  const counted = attempts - losses;
  return maxAttempts === undefined ? String(counted) : `${counted}/${maxAttempts}`;
}

function payloadText(payload: unknown): string {
  if (payload instanceof Uint8Array) return `${payload.length} bytes`;
  return payload === undefined ? "-" : oneLine(JSON.stringify(payload), 40);
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

function indented(text: string): string {
  return printable(text).replace(/^/gm, "  ");
}
