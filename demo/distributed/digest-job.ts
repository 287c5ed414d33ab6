import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { defineJob, typed } from "jobferry";

export const QUEUE = "digests";

export const digestJob = defineJob({ name: "digest", payload: typed<{ n: number }>(), queue: QUEUE });

export type Done = Readonly<{ n: number; hash: string; node: string }>;

/** What a job's result must be; the check at the end works it out again. */
export function hashOf(n: number): string {
  let text = `job ${n}`;
  for (let round = 0; round < 20; round += 1) text = createHash("sha256").update(text).digest("hex");
  return text;
}

/** `workMs` stands for what a real job waits for. */
export async function digest(n: number, node: string, workMs: number, signal: AbortSignal): Promise<Done> {
  await sleep(workMs, undefined, { signal });
  return { n, hash: hashOf(n), node };
}
