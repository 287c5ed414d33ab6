import type { PushItem, PushResult } from "../../contract/index.ts";
import { JobferryError, UnsupportedError } from "../../errors/index.ts";
import { MAX_DURATION_MS } from "../../runtime/index.ts";
import type { Backlog } from "./backlog.ts";
import { encodeJob, type Kept, pushed } from "./job-value.ts";
import type { JobStore } from "./job-store.ts";
import { sessionLost, Unanswered } from "./ledger.ts";
import { FAILURE_BYTES, MAX_PRIORITY } from "./limits.ts";
import { bytesMoved, done, type Move } from "./moves.ts";
import type { Count } from "./part.ts";
import { commit, inTransactions, TooMuch } from "./transactions.ts";

/** Another session may be needed, and others may push the same ids: each round settles some. */
const ROUNDS = 6;

type Pushing = Readonly<{ index: number; job: Kept }>;

/** One transaction for as many jobs as fit; all of it or nothing. The absence of the id's key is compared, so an id is stored once. */
export async function pushJobs(
  js: JobStore,
  backlog: Backlog,
  items: readonly PushItem[],
): Promise<readonly PushResult[]> {
  const now = js.clock.now();
  const results: PushResult[] = [];
  const accepted: Pushing[] = [];
  const taken = new Set<string>();
  await backlog.look();
  for (const [index, item] of items.entries()) {
    const job = pushed(item, now);
    const error = refusal(js, item, job);
    if (error !== undefined) results[index] = { status: "refused", error };
    else if (taken.has(item.id)) results[index] = { status: "exists" };
    else if (!backlog.takes(bytesOf(job))) results[index] = { status: "failed", error: backlog.full() };
    else {
      taken.add(item.id);
      accepted.push({ index, job });
    }
  }
  try {
    await pushAccepted(js, accepted, now, results);
  } finally {
    for (const { index, job } of accepted) backlog.settled(bytesOf(job), isThere(results[index]));
  }
  return results;
}

async function pushAccepted(
  js: JobStore,
  accepted: readonly Pushing[],
  now: number,
  results: PushResult[],
): Promise<void> {
  for (const queue of new Set(accepted.map(({ job }) => job.queue))) await js.states.register(queue);
  // In the order of their times: an earlier one needs another bucket.
  const sorted = accepted.toSorted((a, b) => a.job.availableAt - b.job.availableAt);
  const prepared = sorted.map((pushing) => ({ pushing, move: moveOf(js, pushing.job, now) }));
  const run = (group: readonly Prepared[]): ReturnType<typeof pushGroup> => pushGroup(js, group, now);
  for await (const [group, answers] of inTransactions(js, prepared, ({ move }) => move.part, run)) {
    for (const [position, { pushing }] of group.entries())
      results[pushing.index] = answers[position] ?? { status: "unknown" };
  }
}

/** About as many as its value has. */
function bytesOf({ envelope, payload }: Kept): number {
  return envelope.length + payload.length;
}

/** Where that is not known the next look tells. */
function isThere(result: PushResult | undefined): boolean {
  return result?.status === "stored" || result?.status === "unknown";
}

type Prepared = Readonly<{ pushing: Pushing; move: Move }>;

/** @throws TooMuch: whatever of it is there already is found again. */
async function pushGroup(js: JobStore, group: readonly Prepared[], now: number): Promise<readonly PushResult[]> {
  const answers = new Map<Pushing, PushResult>();
  let left = group;
  try {
    for (let round = 0; left.length > 0; round += 1) {
      if (round >= ROUNDS) throw sessionLost();
      const life = await js.life();
      const moves = left.map(({ move }) => move);
      const parts = moves.map(({ part }) => part);
      const committed = await commit(js, life, parts);
      if (committed.ok) {
        done(js, moves, committed);
        for (const { pushing } of left) answers.set(pushing, { status: "stored" });
        break;
      }
      const entries = await Promise.all(left.map(({ pushing }) => js.store.get(js.keys.id(pushing.job.id))));
      const free = left.filter((_, position) => entries[position] === undefined);
      for (const one of left) if (!free.includes(one)) answers.set(one.pushing, { status: "exists" });
      if (free.length === left.length) await life.doubt();
      left = free.map(({ pushing }) => ({ pushing, move: moveOf(js, pushing.job, now) }));
    }
  } catch (error) {
    if (error instanceof TooMuch) throw error;
    const answer: PushResult = error instanceof Unanswered ? { status: "unknown" } : { status: "failed", error };
    for (const { pushing } of left) answers.set(pushing, answer);
  }
  return group.map(({ pushing }) => answers.get(pushing) ?? { status: "unknown" });
}

function moveOf({ shelves, keys }: JobStore, job: Kept, now: number): Move {
  const isDelayed = job.availableAt > now;
  const placed = isDelayed ? shelves.delayed(job) : shelves.ready(job);
  const waits: Count = { queue: job.queue, what: isDelayed ? "delayed" : "pending", by: 1 };
  const counts = [waits, ...bytesMoved(job.queue, undefined, placed.key)];
  const part = { compares: [{ key: keys.id(job.id), absent: true as const }], writes: placed.writes, counts };
  if (!isDelayed) return { part, ready: job.queue };
  return { part, due: { marker: keys.marker("d", keys.bucketOf(placed.key)), at: job.availableAt } };
}

function refusal({ room, clock, store }: JobStore, item: PushItem, job: Kept): JobferryError | undefined {
  if (Math.abs(item.priority) > MAX_PRIORITY)
    return new UnsupportedError(
      "priority",
      `priority is ${item.priority}; this queue takes ${-MAX_PRIORITY} to ${MAX_PRIORITY}.`,
    );
  const delayMs = item.runAt === undefined ? item.delayMs : item.runAt - clock.now();
  if (delayMs > MAX_DURATION_MS)
    return new UnsupportedError("delay", `delay is ${delayMs} ms; this queue keeps at most ${MAX_DURATION_MS} ms.`);
  if (item.payload.length > room.payloadBytes)
    return new JobferryError(
      "PAYLOAD_TOO_LARGE",
      `The payload has ${item.payload.length} bytes; one value of ${store.name} leaves room for ${room.payloadBytes}. Store it elsewhere and push where it is.`,
    );
  const rest = item.payload.length + item.envelope.length;
  const limit = room.valueBytes - FAILURE_BYTES;
  // Most jobs are far from it, and need not be encoded to know.
  const bytes = rest < limit / 2 && Object.keys(item.tags).length === 0 ? rest : encodeJob(job).length;
  if (bytes <= limit) return undefined;
  return new JobferryError(
    "PAYLOAD_TOO_LARGE",
    `The job with its envelope and tags has ${bytes} bytes; one value of ${store.name} takes ${limit}. Make tags and headers smaller.`,
  );
}
