import type { ExtendItem, ExtendResult, FinishItem, FinishResult } from "../../contract/index.ts";
import type { Held } from "./held-jobs.ts";
import { encodeJob, type Kept, released, shortened } from "./job-value.ts";
import type { JobStore } from "./job-store.ts";
import { Unanswered } from "./ledger.ts";
import type { Life } from "./life.ts";
import { done, type Move, type Place, toCompleted, toDelayed, toFailed, toLost, toReady } from "./moves.ts";
import { grouped } from "./part.ts";

type Ending = Readonly<{ index: number; held: Held; move: Move }>;

/**
 * One transaction for as many jobs as fit. It compares the version of each held job's key and that the session lives. A token that this process does not
 * hold is stale without asking.
 */
export async function finishJobs(js: JobStore, items: readonly FinishItem[]): Promise<readonly FinishResult[]> {
  const life = js.current();
  const results: FinishResult[] = items.map(() => "lost");
  if (life === undefined) return results;
  const endings: Ending[] = [];
  for (const [index, item] of items.entries()) {
    const held = life.held.get(item.reservation.token);
    if (held === undefined) continue;
    const before = await life.held.settled(held);
    if (before === "unsettled" || before === "done") results[index] = before === "done" ? "ok" : "unknown";
    if (before !== "free") continue;
    held.isEnding = true;
    endings.push({ index, held, move: moveOf(js, item, held) });
  }
  for (const group of grouped(endings, ({ move }) => move.part, js.room)) {
    const answer = await end(js, life, group);
    if (answer !== "refused") for (const { index } of group) results[index] = answer;
    // One of them, or the session: each for itself tells which.
    else if (group.length === 1) await lose(life, group);
    else for (const one of group) results[one.index] = await endAlone(js, life, one);
  }
  return results;
}

async function endAlone(js: JobStore, life: Life, ending: Ending): Promise<FinishResult> {
  const answer = await end(js, life, [ending]);
  if (answer !== "refused") return answer;
  await lose(life, [ending]);
  return "lost";
}

/** Refused alone: the session has ended, or somebody changed what only this process may change. */
async function lose(life: Life, endings: readonly Ending[]): Promise<void> {
  for (const { held } of endings) life.held.remove(held);
  await life.doubt();
}

async function end(js: JobStore, life: Life, group: readonly Ending[]): Promise<"ok" | "unknown" | "refused"> {
  const moves = group.map(({ move }) => move);
  try {
    const committed = await life.ledger.commit(moves.map(({ part }) => part));
    if (!committed.ok) return "refused";
    for (const { held } of group) life.held.remove(held);
    done(js, moves, committed);
    return "ok";
  } catch (error) {
    for (const { held } of group) {
      if (error instanceof Unanswered) held.unsettled = error.settle;
      else held.isEnding = false;
    }
    return "unknown";
  }
}

function moveOf(js: JobStore, item: FinishItem, { key, version, job }: Held): Move {
  const from: Place = { key, version, counted: "reserved" };
  const now = js.clock.now();
  const finishedAt = Math.floor(now);
  if (item.outcome === "done") {
    return toCompleted(js, from, fitting(js, { ...released(job, job.availableAt), finishedAt, result: item.result }));
  }
  const failure = item.failure === undefined ? job.failure : shortened(item.failure);
  const exceptions = job.exceptions + (item.threw === true ? 1 : 0);
  const ended = { ...job, failure, exceptions };
  if (item.outcome === "fail") return toFailed(js, from, { ...released(ended, job.availableAt), finishedAt });
  if (item.loss === true) return toLost(js, from, ended);
  const attempts = job.attempts - (item.refund === true ? 1 : 0);
  const back = { ...released(ended, Math.ceil(now + Math.max(0, item.delayMs))), attempts };
  return item.delayMs > 0 ? toDelayed(js, from, back) : toReady(js, from, back);
}

/** A result that does not fit beside its job is not kept (docs/backends says so). */
function fitting({ room, keeps }: JobStore, job: Kept): Kept {
  if (!keeps.completed || job.result === undefined) return job;
  return encodeJob(job).length <= room.valueBytes ? job : { ...job, result: undefined };
}

/**
 * A lease is kept by this process alone, so it costs the store nothing to extend one; but the session must have been renewed lately. One that becomes
 * longer than the lease at the claim is written down: after a death others wait that long.
 */
export async function extendJobs(js: JobStore, items: readonly ExtendItem[]): Promise<readonly ExtendResult[]> {
  const life = js.current();
  if (life === undefined || items.length === 0) return items.map(() => "lost");
  const isFresh = await life.refresh().then(
    () => true,
    () => false,
  );
  if (!isFresh && life.isOver) return items.map(() => "lost");
  // Nothing is known: the holder counts on by itself.
  if (!isFresh) await life.refresh();
  const results: ExtendResult[] = [];
  for (const { reservation, leaseMs } of items) {
    const held = life.held.get(reservation.token);
    const now = js.clock.monotonic();
    if (held === undefined || held.isEnding) results.push("lost");
    else if (leaseMs > held.job.leaseMs && !(await lengthen(life, held, leaseMs))) results.push("lost");
    else {
      life.held.extend(held, now + leaseMs);
      results.push("ok");
    }
  }
  return results;
}

async function lengthen(life: Life, held: Held, leaseMs: number): Promise<boolean> {
  const job = { ...held.job, leaseMs };
  const { key, version } = held;
  held.isEnding = true;
  try {
    const part = {
      compares: [{ key, version, once: true }],
      writes: [{ put: key, value: encodeJob(job), once: true }],
      counts: [],
    };
    const committed = await life.ledger.commit([part]);
    if (!committed.ok) {
      life.held.remove(held);
      return false;
    }
    const now = committed.versions?.get(key);
    if (now !== undefined) held.version = now;
    held.job = job;
    return true;
  } finally {
    held.isEnding = false;
  }
}
