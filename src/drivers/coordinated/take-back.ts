import type { Compare, CoordinationEntry } from "../../contract/index.ts";
import { portions } from "../shared/portions.ts";
import { added, type Counts, decodeCounter, encodeCounter } from "./counters.ts";
import { isStillHeld } from "./finish-jobs.ts";
import type { Held } from "./held-jobs.ts";
import { readJob } from "./damaged-job.ts";
import type { JobStore } from "./job-store.ts";
import { untaken } from "./claim-jobs.ts";
import { BASE } from "./keys.ts";
import { Unanswered } from "./ledger.ts";
import type { Life } from "./life.ts";
import { POLL_MS, STUCK_MS } from "./limits.ts";
import { done, type Move, toLost, toParked, toReady } from "./moves.ts";
import { freshMsOf } from "./timing.ts";
import { commit, inTransactions, isTooLarge, moveAll, moving } from "./transactions.ts";

/** Counters of one process that is gone, added up in one transaction: each is compared, deleted, and put to another that is compared: these, and the put. */
const COUNTERS_AT_ONCE = 8;
const OPERATIONS_A_COUNTER = 3;

type Overdue = Readonly<{ held: Held; move: Move }>;

/** Leases that ran out while their holder, this process, lives. The number of those that came back. */
export async function takeBackOwn(js: JobStore, life: Life, max: number): Promise<number> {
  await giveBackStrays(js, life);
  let recovered = 0;
  const all: Overdue[] = [];
  for (const held of life.held.overdue(max)) {
    if ((await life.held.settled(held)) !== "free" || held.endsAt > js.clock.monotonic()) continue;
    held.isEnding = true;
    all.push({ held, move: toLost(js, { key: held.key, version: held.version, counted: "reserved" }, held.job) });
  }
  try {
    const run = (group: readonly Overdue[]): Promise<number> => takeBackGroup(js, life, group);
    for await (const [, came] of inTransactions(js, all, ({ move }) => move.part, run)) recovered += came;
  } finally {
    // What was not reached, or was refused, is looked at again.
    for (const { held } of all) if (held.unsettled === undefined) held.isEnding = false;
  }
  return recovered;
}

async function takeBackGroup(js: JobStore, life: Life, group: readonly Overdue[]): Promise<number> {
  const moves = group.map(({ move }) => move);
  try {
    const committed = await commit(
      js,
      life,
      moves.map(({ part }) => part),
    );
    for (const { held } of group) if (committed.ok) life.held.remove(held);
    done(js, moves, committed);
    if (committed.ok) return recoveredIn(moves);
  } catch (error) {
    if (group.length === 1 && isTooLarge(js, error)) {
      // Nobody else can take it either: it stays held, and its holder may still end it.
      for (const { held } of group) {
        js.stuck.met(held.key, held.job.id);
        life.held.extend(held, js.clock.monotonic() + STUCK_MS);
      }
      return 0;
    }
    if (error instanceof Unanswered)
      for (const { held } of group) held.unsettled = { settle: error.settle, finishes: false };
    throw error;
  }
  for (const { held } of group) await isStillHeld(js, life, held);
  return 0;
}

/** Those that died are told apart. */
function recoveredIn(moves: readonly Move[]): number {
  return moves.filter(({ dead }) => dead === undefined).length;
}

/** Claims whose answers were lost: nobody asked for these jobs any more, so they go back with their attempts. */
async function giveBackStrays(js: JobStore, life: Life): Promise<void> {
  if (life.strays.isEmpty) return;
  const known = life.held.keys;
  const { keys, forget } = await life.strays.settled();
  const entries = await Promise.all(keys.filter((key) => !known.has(key)).map((key) => js.store.get(key)));
  const moves = entries.flatMap((entry): readonly Move[] => {
    if (entry === undefined) return [];
    const { key, version, value } = entry;
    const { job, isWhole } = readJob(js.keys, key, value, js.room.payloadBytes);
    const from = { key, version, counted: "reserved" } as const;
    return [isWhole ? toReady(js, from, untaken(job, js.clock.now())) : toParked(js, from, job)];
  });
  await moveAll(js, life, moves);
  forget();
}

/**
 * Jobs of processes that are gone. Whoever held them may count on each for its lease from the last renewal of its session that it knows of, which is no
 * older than `freshMs`; so much later than the session's end they are taken. @returns how many came back, and when the next are taken.
 */
export async function takeBackOthers(
  js: JobStore,
  life: Life,
  max: number,
): Promise<Readonly<{ recovered: number; nextInMs: number }>> {
  let [moved, recovered, nextInMs] = [0, 0, Infinity];
  for (const owner of js.owners.dead) {
    if (moved >= max) return { recovered, nextInMs: 0 };
    const isGone = { key: js.keys.alive(owner), absent: true } as const;
    const { entries } = await js.store.list(js.keys.heldBy(owner), { limit: max - moved });
    const { moves, laterInMs } = takable(js, owner, entries);
    nextInMs = Math.min(nextInMs, laterInMs);
    let stuck = 0;
    for await (const { group, ok, isTooLarge: isStuck } of moving(js, life, [...moves.keys()], [isGone])) {
      if (ok) [moved, recovered] = [moved + group.length, recovered + recoveredIn(group)];
      else if (isStuck) {
        stuck += 1;
        for (const move of group) tellStuck(js, moves.get(move));
      } else if ((await js.store.get(isGone.key)) !== undefined) js.owners.forget(owner);
      else await life.doubt();
    }
    // Somebody else may be faster, and what a listing had no room for is still there: soon again.
    if (entries.length === 0) await fold(js, owner, isGone);
    if (entries.length === 0 || moves.size > stuck) nextInMs = Math.min(nextInMs, POLL_MS);
    else if (stuck > 0) nextInMs = Math.min(nextInMs, STUCK_MS);
  }
  return { recovered, nextInMs };
}

type Of = Readonly<{ key: string; id: string }>;

function tellStuck({ stuck }: JobStore, of: Of | undefined): void {
  if (of !== undefined) stuck.met(of.key, of.id);
}

/** For how long at least a session lived after its last renewal. */
function livedMs({ store }: JobStore, ttlMs: number): number {
  return store.capabilities.session.mayEndEarly === true ? 0 : ttlMs;
}

/** Of what one held that is gone. `laterInMs`: when the next lease is over. */
function takable(
  js: JobStore,
  owner: string,
  entries: readonly CoordinationEntry[],
): Readonly<{ moves: ReadonlyMap<Move, Of>; laterInMs: number }> {
  const moves = new Map<Move, Of>();
  let laterInMs = Infinity;
  for (const { key, version, value } of entries) {
    const { job, isWhole } = readJob(js.keys, key, value, js.room.payloadBytes);
    const from = { key, version, counted: "reserved" } as const;
    // Nobody runs it again, so no lease need be over; and what it says of its lease may be damaged, too.
    const left = isWhole ? job.leaseMs + freshMsOf(job.ttlMs) - livedMs(js, job.ttlMs) - js.owners.deadForMs(owner) : 0;
    if (left > 0) laterInMs = Math.min(laterInMs, left);
    else moves.set(isWhole ? toLost(js, from, job) : toParked(js, from, job), { key, id: job.id });
  }
  return { moves, laterInMs };
}

/** Its counters are added to those of all that are gone; then nothing is left of it. */
async function fold(js: JobStore, owner: string, isGone: Compare): Promise<void> {
  const { store, keys, owners } = js;
  const { entries } = await store.list(keys.countersOf(owner));
  const { operations, overwrite } = js.room;
  const fitting = Math.floor((operations - 1) / (OPERATIONS_A_COUNTER + overwrite));
  for (const some of portions(entries, Math.max(1, Math.min(COUNTERS_AT_ONCE, fitting)))) {
    const sums = new Map<string, Counts>();
    for (const { value } of some) {
      const { queue, counts } = decodeCounter(value);
      const known = sums.get(queue);
      sums.set(queue, known === undefined ? counts : added(known, counts));
    }
    const compares: Compare[] = [isGone, ...some.map(({ key, version }) => ({ key, version, once: true }))];
    const writes = [];
    for (const [queue, counts] of sums) {
      const key = keys.counter(BASE, queue, 0);
      const base = await store.get(key);
      compares.push(base === undefined ? { key, absent: true } : { key, version: base.version, once: true });
      const before = base === undefined ? { serial: 0, counts: undefined } : decodeCounter(base.value);
      const total = before.counts === undefined ? counts : added(before.counts, counts);
      writes.push({ put: key, value: encodeCounter({ queue, serial: before.serial + 1, counts: total }), once: true });
    }
    const { ok } = await store.transact(compares, [...some.map(({ key }) => ({ delete: key })), ...writes]);
    // Others do it at the same time.
    if (!ok) return;
  }
  const { ok } = await store.transact([isGone], [{ delete: keys.owner(owner) }]);
  if (ok) owners.forget(owner);
}
