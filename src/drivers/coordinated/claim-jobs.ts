import type { Reservation } from "../../contract/index.ts";
import { type Group, grouped, partsOf, type Taking, type Wanted } from "./claim-groups.ts";
import type { Contention } from "./contention.ts";
import { type Found, gather } from "./gather.ts";
import { type Kept, released } from "./job-value.ts";
import type { JobStore } from "./job-store.ts";
import { groupOfReadyBucket } from "./keys.ts";
import { Unanswered } from "./ledger.ts";
import type { Life } from "./life.ts";
import { jobsAClaim } from "./limits.ts";
import type { Shelved } from "./shelves.ts";
import { commit, isTooLarge, TooMuch } from "./transactions.ts";

/** Refused claims one after the other before the caller is told that nothing came. */
const ROUNDS = 12;
/** Transactions of one claim that are under way at once: with one after the other most of the time is the way to the store and its disk. */
const AT_ONCE = 4;
/** Of a lease, for taking what stands before jobs that were taken. */
const MOST_OF_LEASE = 0.1;

type Compares = Parameters<Life["ledger"]["commit"]>[1];
type Taken = Readonly<{ from: Shelved; reservation: Reservation }>;
/** `lost`: refused. `again`: with fewer, or without one that the servers do not take. */
type Outcome = Readonly<{ kind: "taken"; taken: readonly Taken[] } | { kind: "lost" | "again" }>;
type Claim = Readonly<{ taken: readonly Taken[]; isSpoiled: boolean; isAgain: boolean }>;

/** Jobs of one queue, at most a few transactions of them. Others may be faster again and again: then none. */
export async function claimFrom(
  js: JobStore,
  contention: Contention,
  wanted: Wanted,
  isOver: () => boolean,
): Promise<readonly Reservation[]> {
  const begun = js.clock.monotonic();
  let all: readonly Taken[] = [];
  for (let round = 0; round < ROUNDS && !isOver(); round += 1) {
    const left = { ...wanted, max: wanted.max - all.length, free: wanted.free - all.filter(hasLosses).length };
    const claim = await claimOnce(js, contention, left, round).catch((error: unknown) => {
      if (all.length === 0) throw error;
      return undefined;
    });
    if (claim === undefined) break;
    all = [...all, ...claim.taken];
    const isLate = js.clock.monotonic() - begun > wanted.leaseMs * MOST_OF_LEASE;
    // What was to come first goes again in smaller transactions, and is told first.
    if (all.length > 0 && (!claim.isAgain || all.length >= wanted.max || isLate)) break;
  }
  return inOrder(all);
}

const hasLosses = ({ reservation }: Taken): boolean => reservation.job.losses > 0;

/** undefined: there is nothing to take. */
async function claimOnce(
  js: JobStore,
  contention: Contention,
  wanted: Wanted,
  round: number,
): Promise<Claim | undefined> {
  const state = await js.states.of(wanted.queue);
  if (state === undefined || state.isPaused) return undefined;
  const life = await js.life();
  const want = Math.min(wanted.max, jobsAClaim(js.room) * (contention.isUnproven ? 1 : AT_ONCE));
  const found = upToLost(ofOnePriority(js, await gather(js, contention, wanted.queue, want)), wanted);
  if (found.length === 0) return undefined;
  // After the looking around, which may take its time: the leases count from now.
  await life.refresh();
  // What is left over is remembered for the next claim.
  const groups = grouped(js, life, found, wanted).slice(0, AT_ONCE);
  const paused = { key: js.keys.queue(wanted.queue), version: state.version, once: true };
  const run = (group: Group): Promise<Outcome> => takeOrLeaveOpen(js, life, contention, group, wanted, [paused]);
  const claim = await takeAll(groups, run);
  if (claim.isSpoiled) contention.lost();
  else if (claim.taken.length > 0) contention.took(new Set(claim.taken.map(({ from }) => from.key)));
  if (claim.taken.length > 0 || !claim.isSpoiled || round === 0) return claim;
  // Not only somebody else's claim: a pause, or the end of the session.
  await js.states.read(wanted.queue);
  if (round > 2) await life.doubt();
  return claim;
}

/** All at once: what one of them got is held, whatever became of the others. @throws what the first that failed threw, where nothing was taken. */
async function takeAll(groups: readonly Group[], run: (group: Group) => Promise<Outcome>): Promise<Claim> {
  const settled = await Promise.allSettled(groups.map(run));
  const outcomes = settled.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const taken = outcomes.flatMap((outcome) => (outcome.kind === "taken" ? outcome.taken : []));
  const failed = settled.find((one) => one.status === "rejected");
  if (taken.length === 0 && failed !== undefined) throw failed.reason;
  const has = (kind: Outcome["kind"]): boolean => outcomes.some((outcome) => outcome.kind === kind);
  return { taken, isSpoiled: has("lost"), isAgain: has("again") };
}

/** Of several transactions at once one alone may be refused: what is less urgent than its jobs must not be in another. */
function ofOnePriority({ keys }: JobStore, found: readonly Found[]): readonly Found[] {
  // By where they lie: a damaged job cannot tell.
  const groupOf = ({ jobs }: Found): string => groupOfReadyBucket(keys.bucketOf(jobs[0]?.key ?? ""));
  const [first] = found;
  return first === undefined ? [] : found.filter((one) => groupOf(one) === groupOf(first));
}

/** A job that came into a bucket that was to be emptied is no reason to leave the others, as long as nobody else takes them. */
async function takeOrLeaveOpen(
  js: JobStore,
  life: Life,
  contention: Contention,
  group: Group,
  wanted: Wanted,
  compares: Compares,
): Promise<Outcome> {
  const outcome = await take(js, life, group, wanted, compares);
  if (outcome.kind !== "lost" || group.closing.length === 0 || contention.isContended) return outcome;
  return take(js, life, { ...group, closing: [] }, wanted, compares);
}

/** Of several transactions at once each may be done first. */
function inOrder(taken: readonly Taken[]): readonly Reservation[] {
  return taken.toSorted((a, b) => (a.from.key < b.from.key ? -1 : 1)).map(({ reservation }) => reservation);
}

/** A claim without an answer is given back as soon as the store tells what became of it. */
async function take(
  js: JobStore,
  life: Life,
  { takings, closing }: Group,
  { leaseMs }: Wanted,
  compares: Compares,
): Promise<Outcome> {
  const claimedAt = js.clock.monotonic();
  const parts = partsOf({ takings, closing });
  try {
    const committed = await commit(js, life, parts, compares);
    if (!committed.ok) return { kind: "lost" };
    const versions = committed.versions ?? (await versionsOf(js, life, takings));
    const taken = takings.flatMap(({ key, job, from }, rank) => {
      const version = versions.get(key);
      if (version === undefined) return [];
      return [{ from, reservation: life.held.add(life.owner, key, version, rank, job, claimedAt + leaseMs) }];
    });
    return { kind: "taken", taken };
  } catch (error) {
    if (error instanceof TooMuch) return { kind: "again" };
    const [only] = takings;
    if (takings.length === 1 && only !== undefined && isTooLarge(js, error)) {
      js.stuck.met(only.from.key, only.job.id);
      return { kind: "again" };
    }
    if (error instanceof Unanswered) life.strays.add(keysOf(takings), error.settle);
    throw error;
  }
}

const keysOf = (takings: readonly Taking[]): readonly string[] => takings.map(({ key }) => key);

/** It was done, but its answer was lost. */
async function versionsOf(js: JobStore, life: Life, takings: readonly Taking[]): Promise<ReadonlyMap<string, string>> {
  const entries = await Promise.all(takings.map(({ key }) => js.store.get(key))).catch((error: unknown) => {
    life.strays.add(keysOf(takings), async () => true);
    throw error;
  });
  return new Map(entries.flatMap((entry) => (entry === undefined ? [] : [[entry.key, entry.version]])));
}

/** Everything before the first job with losses that has no free slot. */
function upToLost(found: readonly Found[], { free }: Wanted): readonly Found[] {
  let withLosses = 0;
  const kept: Found[] = [];
  for (const one of found) {
    const end = one.jobs.findIndex(({ job }) => job.losses > 0 && (withLosses += 1) > free);
    if (end === -1) {
      kept.push(one);
      continue;
    }
    if (end > 0) kept.push({ jobs: one.jobs.slice(0, end), last: undefined });
    break;
  }
  return kept;
}

/** As it was before it was taken: its attempt goes back with it. */
export function untaken(job: Kept, now: number): Kept {
  return { ...released(job, now), attempts: job.attempts - 1 };
}
