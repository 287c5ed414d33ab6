import type { CoordinationEntry, Reservation } from "../../contract/index.ts";
import type { Contention } from "./contention.ts";
import { type Kept, released } from "./job-value.ts";
import type { JobStore } from "./job-store.ts";
import { encodeJob } from "./job-value.ts";
import { groupOfReadyBucket, segmentOf } from "./keys.ts";
import { Unanswered } from "./ledger.ts";
import type { Life } from "./life.ts";
import { bytesMoved } from "./moves.ts";
import { type Count, firstGroup, type Part } from "./part.ts";
import type { Shelved } from "./shelves.ts";
import { commit, isTooLarge, TooMuch } from "./transactions.ts";

export type Wanted = Readonly<{ queue: string; max: number; free: number; leaseMs: number }>;

/** Markers read at once; a claim rarely needs more than the first few. */
const MARKERS = 64;
/** Refused claims one after the other before the caller is told that nothing came. */
const ROUNDS = 12;

type Taking = Readonly<{ from: Shelved; job: Kept; key: string; part: Part }>;

/** Jobs of one queue, at most one transaction of them. `raced`: others were faster again and again. */
export async function claimFrom(
  js: JobStore,
  contention: Contention,
  wanted: Wanted,
  isOver: () => boolean,
): Promise<readonly Reservation[]> {
  for (let round = 0; round < ROUNDS && !isOver(); round += 1) {
    const state = await js.states.of(wanted.queue);
    if (state === undefined || state.isPaused) return [];
    const life = await js.life();
    const found = upToLost(await gather(js, contention, wanted), wanted.free);
    if (found.length === 0) return [];
    // After the looking around, which may take its time: the leases count from now.
    await life.refresh();
    const takings = found.map((from) => takingOf(js, life, from, wanted));
    const taking = firstGroup(takings, ({ part }) => part, js.room);
    const claimedAt = js.clock.monotonic();
    const paused = { key: js.keys.queue(wanted.queue), version: state.version, once: true };
    const versions = await take(js, life, taking, [paused]);
    if (versions === "tooMuch" || versions === "stuck") continue;
    if (versions !== undefined) {
      contention.took(taking.map(({ from }) => from.key));
      return taking.flatMap(({ key, job }, rank) => {
        const version = versions.get(key);
        return version === undefined
          ? []
          : [life.held.add(life.owner, key, version, rank, job, claimedAt + wanted.leaseMs)];
      });
    }
    contention.lost();
    if (round === 0) continue;
    // Not only somebody else's claim: a pause, or the end of the session.
    await js.states.read(wanted.queue);
    if (round > 2) await life.doubt();
  }
  return [];
}

/** The versions of what is held now; undefined when it was refused; `tooMuch`: then fewer are taken; `stuck`: those behind it. A claim without an answer is given back as soon as the store tells what became of it. */
async function take(
  js: JobStore,
  life: Life,
  taking: readonly Taking[],
  compares: Parameters<Life["ledger"]["commit"]>[1],
): Promise<ReadonlyMap<string, string> | "tooMuch" | "stuck" | undefined> {
  const parts = taking.map(({ part }) => part);
  try {
    const committed = await commit(js, life, parts, compares);
    if (!committed.ok) return undefined;
    return committed.versions ?? (await versionsOf(js, life, taking));
  } catch (error) {
    if (error instanceof TooMuch) return "tooMuch";
    const [only] = taking;
    if (taking.length === 1 && only !== undefined && isTooLarge(js, error)) {
      js.stuck.met(only.from.key, only.job.id);
      return "stuck";
    }
    if (error instanceof Unanswered) life.strays.add(keysOf(taking), error.settle);
    throw error;
  }
}

const keysOf = (taking: readonly Taking[]): readonly string[] => taking.map(({ key }) => key);

/** It was done, but its answer was lost. */
async function versionsOf(js: JobStore, life: Life, taking: readonly Taking[]): Promise<ReadonlyMap<string, string>> {
  const entries = await Promise.all(taking.map(({ key }) => js.store.get(key))).catch((error: unknown) => {
    life.strays.add(keysOf(taking), async () => true);
    throw error;
  });
  return new Map(entries.flatMap((entry) => (entry === undefined ? [] : [[entry.key, entry.version]])));
}

/**
 * The first jobs in the order of priorities and buckets. Where others claim, too, each looks at another place: a bucket of the same priority, or a part
 * of one, so that they do not meet again.
 */
async function gather(js: JobStore, contention: Contention, { queue, max }: Wanted): Promise<readonly Shelved[]> {
  const want = Math.min(max, Math.max(1, Math.floor((js.room.operations - 4) / 3)));
  for (;;) {
    const of = `${segmentOf(queue)}.`;
    // The buckets that came next the last time are read beside the markers, which tell whether they still do.
    const [markers] = await Promise.all([
      js.shelves.markers("r", { of, limit: MARKERS }),
      contention.readAhead(js, queue, want),
    ]);
    contention.expect(queue, markers);
    const found: Shelved[] = [];
    let empty = 0;
    for (const marker of contention.order(markers, groupIn(js))) {
      if (found.length >= want || (found.length > 0 && contention.isContended)) break;
      const entries = await contention.entries(js, marker);
      if (entries.length === 0) {
        empty += 1;
        await js.shelves.tidy(marker);
      }
      const free = entries.filter(({ key }) => !js.stuck.isPassedOver(key));
      found.push(...contention.share(free, want - found.length));
    }
    if (found.length > 0 || empty === 0) return found;
  }
}

const groupIn =
  ({ keys }: JobStore) =>
  ({ key }: CoordinationEntry): string =>
    groupOfReadyBucket(keys.bucketOf(key));

/** The queue is the one whose bucket it lay in, also where its own bytes cannot tell. */
function takingOf(js: JobStore, life: Life, from: Shelved, { queue, leaseMs }: Wanted): Taking {
  const now = js.clock.now();
  const { ttlMs } = js.timing;
  const attempts = from.job.attempts + 1;
  const job: Kept = { ...from.job, queue, attempts, reservedAt: Math.floor(now), leaseMs, ttlMs };
  const key = life.keyFor(job.id);
  const compares = [{ key: from.key, version: from.version, once: true }];
  const writes = [{ delete: from.key }, { put: key, value: encodeJob(job), once: true }];
  const counts: readonly Count[] = [
    { queue, what: "pending", by: -1 },
    { queue, what: "reserved", by: 1 },
    ...bytesMoved(queue, from.key),
  ];
  return { from, job, key, part: { compares, writes, counts } };
}

/** Everything before the first job with losses that has no free slot. */
function upToLost(found: readonly Shelved[], free: number): readonly Shelved[] {
  let withLosses = 0;
  const end = found.findIndex(({ job }) => job.losses > 0 && (withLosses += 1) > free);
  return end === -1 ? found : found.slice(0, end);
}

/** As it was before it was taken: its attempt goes back with it. */
export function untaken(job: Kept, now: number): Kept {
  return { ...released(job, now), attempts: job.attempts - 1 };
}
