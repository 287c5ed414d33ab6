import type { ExtendItem, ExtendResult, FinishItem, FinishResult, Token } from "../../contract/index.ts";
import { JobferryError } from "../../errors/index.ts";
import type { Held } from "./held-jobs.ts";
import { encodeJob, type Kept, released, shortened } from "./job-value.ts";
import type { JobStore } from "./job-store.ts";
import { sessionLost, Unanswered } from "./ledger.ts";
import type { Life } from "./life.ts";
import { done, type Move, type Place, toCompleted, toDelayed, toFailed, toLost, toReady } from "./moves.ts";
import { commit, inTransactions, isTooLarge, TooMuch } from "./transactions.ts";

type Ending = Readonly<{ index: number; item: FinishItem; held: Held; move: Move }>;

/** Nothing was done, for certain, and it is held still. `isOfStore`: it meets every other job, too. */
type Refusal = Readonly<{ error: unknown; isOfStore: boolean }>;
type Answer = FinishResult | Refusal;

/** Transactions that are under way at once: with one after the other most of the time is the way to the store and its disk. */
const AT_ONCE = 4;
/** How often a finish that was refused looks why. */
const LOOKS = 3;
/** Characters of a failure's message that are kept where the whole one is too large. */
const BRIEF_TEXT = 200;
const OF_STORE = new Set(["ACCESS_DENIED", "STORE_FULL", "NOT_OPEN"]);
/** Of a look at one key, which may be refused by itself. */
const AWAY = new Set(["UNAVAILABLE", "SESSION_LOST", "NOT_OPEN", "CLOSED"]);

/**
 * One transaction for as many jobs as fit. It compares the version of each held job's key and that the session lives. A token that this process does not
 * hold is stale without asking.
 * @throws what the store said, when it refused all of them.
 */
export async function finishJobs(js: JobStore, items: readonly FinishItem[]): Promise<readonly FinishResult[]> {
  const life = js.current();
  const answers: Answer[] = items.map(() => "lost");
  if (life === undefined) return items.map(() => "lost");
  const endings: Ending[] = [];
  for (const [index, item] of items.entries()) {
    const held = life.held.get(item.reservation.token);
    if (held === undefined) continue;
    const before = await life.held.settled(held);
    if (before === "unsettled" || before === "done") answers[index] = before === "done" ? "ok" : "unknown";
    if (before !== "free") continue;
    held.isEnding = true;
    endings.push({ index, item, held, move: moveOf(js, item, held) });
  }
  let ofStore: Refusal | undefined;
  const run = async (group: readonly Ending[]): ReturnType<typeof end> => ofStore ?? end(js, life, group);
  for await (const [group, answer] of inTransactions(js, endings, ({ move }) => move.part, run, AT_ONCE)) {
    // Of groups that were under way at once each was refused by itself: why is asked for one of them.
    let forAll = forEachOf(answer) ?? ofStore;
    // One of them, or the session: each for itself tells which. A job that the store does not take keeps no other from ending, and what was lost on its way is sent again.
    for (const one of group) {
      answers[one.index] = forAll ?? (await endAlone(js, life, one));
      if (typeof forAll === "object") one.held.isEnding = false;
      forAll ??= refusalOf(answers[one.index]);
    }
    ofStore = refusalOf(forAll) ?? ofStore;
  }
  return told(answers);
}

function forEachOf(answer: FinishResult | "refused" | Refusal): Answer | undefined {
  return answer === "refused" ? undefined : typeof answer === "string" ? answer : refusalOf(answer);
}

/** What would be answered to the next one as well, each time after the time of a call. */
function refusalOf(answer: Answer | undefined): Refusal | undefined {
  return typeof answer === "object" && answer.isOfStore ? answer : undefined;
}

/** A rejection tells why, but hides what became of the others: where there are answers, those that were refused are asked for again. */
function told(answers: readonly Answer[]): readonly FinishResult[] {
  const results = answers.map((answer) => (typeof answer === "string" ? answer : "unknown"));
  const refusal = answers.find((answer) => typeof answer !== "string");
  if (refusal !== undefined && results.every((result) => result === "unknown")) throw refusal.error;
  return results;
}

async function endAlone(js: JobStore, life: Life, ending: Ending): Promise<Answer> {
  const { item, held } = ending;
  let refusal: Refusal = { error: refused(item), isOfStore: false };
  let sent = item;
  for (let look = 0; look < LOOKS; look += 1) {
    const isHeld = await isStillHeld(js, life, held).catch((error: unknown): Refusal => {
      return { error, isOfStore: AWAY.has(js.store.classify(error).code) };
    });
    if (isHeld === false) return "lost";
    if (isHeld !== true) {
      refusal = isHeld;
      break;
    }
    const answer = await end(js, life, [{ ...ending, move: moveOf(js, sent, held) }]);
    if (typeof answer === "string" && answer !== "refused") return answer;
    if (typeof answer !== "string") refusal = answer;
    if (refusal.isOfStore) break;
    if (isTooLarge(js, refusal.error)) sent = brief(item);
  }
  held.isEnding = false;
  return refusal;
}

/** A job has grown by what it ends with: with less of that it ends, where the servers take less than their defaults. */
function brief(item: FinishItem): FinishItem {
  if (item.outcome === "done") return { ...item, result: undefined };
  const { failure } = item;
  if (failure === undefined) return item;
  const message = failure.message.slice(0, BRIEF_TEXT);
  return { ...item, failure: { ...failure, message, stack: undefined } };
}

function refused({ reservation }: FinishItem): JobferryError {
  return new JobferryError(
    "UNAVAILABLE",
    `The store refused ${LOOKS} times to end job ${reservation.job.id}, though this process holds it: something that the transaction compares changed each time. Nothing was done.`,
    { retryable: true },
  );
}

/**
 * A transaction that ends it was refused. Either the session has ended; or an extension without an answer was done after all, and it lies under another version
 * now: nobody else changes it while the session lives. Rejects while the store does not tell.
 */
export async function isStillHeld(js: JobStore, life: Life, held: Held): Promise<boolean> {
  await life.doubt();
  if (life.isOver) return false;
  const entry = await js.store.get(held.key);
  if (entry === undefined) {
    life.held.remove(held);
    return false;
  }
  held.version = entry.version;
  return true;
}

/** `refused`: a compare did not hold. @throws TooMuch. */
async function end(
  js: JobStore,
  life: Life,
  group: readonly Ending[],
): Promise<"ok" | "unknown" | "refused" | Refusal> {
  const moves = group.map(({ move }) => move);
  try {
    const parts = moves.map(({ part }) => part);
    const committed = await commit(js, life, parts);
    if (!committed.ok) return "refused";
    for (const { held } of group) life.held.remove(held);
    done(js, moves, committed);
    return "ok";
  } catch (error) {
    if (error instanceof TooMuch) throw error;
    if (error instanceof Unanswered) {
      for (const { held } of group) held.unsettled = { settle: error.settle, finishes: true };
      return "unknown";
    }
    return { error, isOfStore: OF_STORE.has(js.store.classify(error).code) };
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
  for (const { reservation, leaseMs } of items) results.push(await extendOne(js, life, reservation.token, leaseMs));
  return results;
}

async function extendOne(js: JobStore, life: Life, token: Token, leaseMs: number): Promise<ExtendResult> {
  await life.held.get(token)?.lengthening;
  const held = life.held.get(token);
  if (held === undefined || held.isEnding) return "lost";
  if (leaseMs <= held.job.leaseMs) return (await prolong(js, life, held, leaseMs)) ? "ok" : "lost";
  const lengthened = lengthen(js, life, held, leaseMs);
  const over = (): void => void (held.lengthening = undefined);
  held.lengthening = lengthened.then(over, over);
  return (await lengthened) ? "ok" : "lost";
}

/** The items before it may have taken their time. */
async function prolong(js: JobStore, life: Life, held: Held, leaseMs: number): Promise<boolean> {
  await life.refresh();
  if (life.held.get(held.token) === undefined || held.isEnding) return false;
  life.held.extend(held, js.clock.monotonic() + leaseMs);
  return true;
}

async function lengthen(js: JobStore, life: Life, held: Held, leaseMs: number): Promise<boolean> {
  const { key } = held;
  for (let look = 0; look < LOOKS; look += 1) {
    const job = { ...held.job, leaseMs };
    // Counted as nothing, so that it is settled when its answer is lost.
    const counts = [{ queue: job.queue, what: "reserved", by: 0 }] as const;
    const compares = [{ key, version: held.version, once: true }];
    const writes = [{ put: key, value: encodeJob(job), once: true }];
    const committed = await life.ledger.commit([{ compares, writes, counts }]);
    if (committed.ok) {
      held.job = job;
      const version = committed.versions?.get(key) ?? (await js.store.get(key))?.version;
      if (version !== undefined) held.version = version;
      return prolong(js, life, held, leaseMs);
    }
    if (!(await isStillHeld(js, life, held))) return false;
  }
  throw sessionLost();
}
