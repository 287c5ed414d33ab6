/**
 * Reads what the processes of a run wrote down and what the store holds in the end, and tells what the store did wrong. A pure function;
 * docs/adr/0060 says how each rule avoids blaming an honest store for what a log cannot know.
 */
import { merged, timeIn } from "../stalls/spans.ts";
import { greatestRise, historyOf, type History, type JobHistory, type LeaseHistory } from "./history.ts";
import type { Line } from "./log.ts";

export const KINDS = ["lost", "wrong", "illegal duplicate", "two leases", "early", "unbounded"] as const;
export type Kind = (typeof KINDS)[number];
export type Violation = Readonly<{ kind: Kind; id: string; why: string }>;

/** A job as it lies in the store after the drain. */
export type Remains = Readonly<{
  state: "pending" | "delayed" | "reserved" | "failed" | "completed";
  attempts: number;
  losses: number;
  code: string | undefined;
  sha: string;
}>;

export type Contents = Readonly<{
  jobs: ReadonlyMap<string, Remains>;
  /** undefined: the store cannot tell. */
  stats: Readonly<Record<"pending" | "delayed" | "reserved" | "failed" | "completed", number | undefined>>;
}>;

/** What is counted apart must stay below these. */
export type Bounds = Readonly<{
  /** Most jobs that one claim can take: a kill between claim and log hides at most these. */
  perClaim: number;
  /** Whose claims under way an outage of the store can hide. */
  workers: number;
  /** Leases that ran out in processes that nobody killed or stopped. */
  healthyLosses: number;
  /** Pushes of at most so many jobs of one queue are stored all or none. */
  atomicBatch: number;
  /** From the end of a lease to the next one on that job, the wait behind others included. */
  takeBackMs: number;
  /** From the return of the store to the first lease or confirmed end of anybody. */
  resumeMs: number;
  /** `connection`: a lease ends with its holder's connection. */
  leaseEnds: "deadline" | "connection";
  /** Whether an outage can make the store forget claims and ends that it confirmed shortly before, as a fail-over does where replicas are told later. */
  forgets: boolean;
  /** Where a job is released or moved by a copy, or an end is only sent or can be forgotten, a fault can leave it twice (DESIGN 10 counts that apart): most such jobs a fault. */
  twicePerFault: number;
  /** Of all leases: how many losses a store may count that nobody had, where `capabilities.attempts` is approximate. */
  falseLosses: number;
}>;

export type Apart = Readonly<{ what: string; count: number; bound: number }>;
export type Finding = Readonly<{
  violations: readonly Violation[];
  counts: Readonly<Record<string, number>>;
  apart: readonly Apart[];
}>;

/** Grain of the clocks that are compared: the store rounds to milliseconds. */
const GRAIN_MS = 2;

export function check(lines: readonly Line[], contents: Contents, bounds: Bounds): Finding {
  const history = historyOf(lines);
  const violations: Violation[] = [];
  for (const job of history.jobs.values()) {
    const blame = (kind: Kind, why: string): void => void violations.push({ kind, id: job.id, why });
    checkPresence(job, contents, blame);
    checkContent(job, contents, blame);
    // Two copies of a job know nothing of each other.
    if (bounds.twicePerFault > 0 && mayBeTwice(job, history, bounds)) continue;
    checkEnds(job, blame);
    checkLeases(job, history, bounds, blame);
    checkTimes(job, history, blame);
  }
  checkStats(history, contents, violations);
  const apart = countApart(history, contents, bounds);
  for (const { what, count, bound } of apart) {
    if (count > bound)
      violations.push({ kind: "unbounded", id: "", why: `${what}: ${count}, at most ${bound} can be explained` });
  }
  return { violations, counts: countAll(history, contents), apart };
}

type Blame = (kind: Kind, why: string) => void;

/** `ok` or without an answer: it may have been stored. A try without a line after it was cut by a kill. */
function mayHaveEnded({ tries, answers }: LeaseHistory): boolean {
  if (tries.length === 0) return false;
  return answers.length < tries.length || answers.some(({ type }) => type === "finish");
}

function endedBy(lease: LeaseHistory, end: string): boolean {
  return lease.answers.some((answer) => answer.type === "finish" && answer.result === "ok" && answer.end === end);
}

function mayHaveEndedBy(lease: LeaseHistory, end: string): boolean {
  return mayHaveEnded(lease) && lease.tries.some((attempt) => attempt.end === end);
}

function checkPresence(job: JobHistory, { jobs }: Contents, blame: Blame): void {
  if (job.pushedAt === undefined) return;
  const remains = jobs.get(job.id);
  if (remains !== undefined && remains.state !== "completed") return;
  if (job.rans === 0) blame("lost", "pushed, never ran to its end, and not in the store");
  else if (!job.leases.some((lease) => mayHaveEndedBy(lease, "done")))
    blame("lost", "not in the store, though nobody completed it");
}

function checkContent(job: JobHistory, { jobs }: Contents, blame: Blame): void {
  const { pushing } = job;
  const remains = jobs.get(job.id);
  if (pushing === undefined) return blame("wrong", "in the store, though nobody pushed it");
  for (const run of job.runs) if (run.sha !== pushing.sha) blame("wrong", `changed on its way to ${run.from}`);
  if (remains !== undefined && remains.sha !== pushing.sha) blame("wrong", `changed in the store (${remains.state})`);
  if (remains?.state === "failed") checkFailed(pushing, remains, blame);
  const { fate, maxAttempts, maxLosses } = pushing;
  if (fate !== "done" && job.leases.some((lease) => endedBy(lease, "done")))
    blame("wrong", `completed, though its handler only knows ${fate}`);
  for (const { start } of job.leases) {
    if (start.losses >= maxLosses) blame("wrong", `given out again after ${start.losses} of ${maxLosses} losses`);
    if (start.attempts - start.losses > maxAttempts)
      blame("wrong", `attempt ${start.attempts} with ${start.losses} losses, of ${maxAttempts}`);
  }
}

type Pushed = NonNullable<JobHistory["pushing"]>;

function checkFailed(
  { fate, maxAttempts, maxLosses }: Pushed,
  { code, attempts, losses }: Remains,
  blame: Blame,
): void {
  if (code === "LEASE_EXPIRED") {
    if (losses < maxLosses) blame("wrong", `failed with LEASE_EXPIRED after ${losses} of ${maxLosses} losses`);
  } else if (code !== fate) {
    blame("wrong", `failed with ${code}, though its handler only knows ${fate}`);
  } else if ((code === "HANDLER_FAILED" || code === "TIMEOUT") && attempts - losses < maxAttempts) {
    blame("wrong", `failed after ${attempts} attempts with ${losses} losses, of ${maxAttempts}`);
  }
}

/** Two completions, an accepted end under an old token, a start after the end. */
function checkEnds(job: JobHistory, blame: Blame): void {
  const { leases } = job;
  if (leases.filter((lease) => endedBy(lease, "done")).length > 1) blame("illegal duplicate", "completed twice");
  for (const [i, lease] of leases.entries()) {
    const accepted = lease.answers.find((answer) => answer.type === "finish" && answer.result === "ok");
    if (accepted === undefined) continue;
    const next = leases[i + 1];
    if (next === undefined) continue;
    const { token, at } = next.start;
    const final = accepted.end !== "release";
    if (final)
      blame(
        "illegal duplicate",
        `started under ${token} after "${accepted.end}" was accepted under ${lease.start.token}`,
      );
    const sentAt = lease.tries.at(-1)?.at ?? accepted.at;
    if (at < sentAt)
      blame("illegal duplicate", `"${accepted.end}" accepted under ${lease.start.token} after a start under ${token}`);
  }
}

function checkLeases({ leases }: JobHistory, history: History, bounds: Bounds, blame: Blame): void {
  for (const [i, lease] of leases.entries()) {
    const next = leases[i + 1];
    if (next === undefined) continue;
    if (next.start.token === lease.start.token) blame("two leases", `token ${lease.start.token} given out twice`);
    const firstTry = mayHaveEnded(lease) ? (lease.tries[0]?.at ?? Infinity) : Infinity;
    const lostAt = bounds.leaseEnds === "connection" ? connectionLostAt(lease, history) : Infinity;
    const validUntil = Math.min(lease.endsAt, firstTry, lostAt);
    if (next.start.at < validUntil) {
      const early = Math.round(validUntil - next.start.at);
      blame("two leases", `started under ${next.start.token} ${early} ms before ${lease.start.token} could end`);
    }
  }
}

/** The first fault that can have ended the connection that the lease came on. */
function connectionLostAt({ start }: LeaseHistory, { faults, outages }: History): number {
  const ofProcess = faults.filter(({ target, fault }) => target === start.from && fault !== "continue");
  const moments = [...ofProcess.map(({ at }) => at), ...outages.map(({ until }) => until)];
  const disturbed = outages.some(({ from, until }) => from <= start.at && until >= start.claimedAt);
  return disturbed ? start.at : Math.min(...moments.filter((at) => at >= start.claimedAt), Infinity);
}

/** How long before a fault an end must have been sent to be settled for certain. */
const SETTLED_MS = 2_000;

/**
 * Whether a fault met the job between two steps that a broker cannot do as one: a copy and the end of the original, an end that was sent and its storage. Before each start
 * that can be anywhere: drivers give back by a copy what nobody asked for, and the server moves a delayed job from step to step; no log sees either. Or whether a fail-over
 * may have forgotten a claim or an end.
 */
function mayBeTwice({ pushing, leases }: JobHistory, { faults, outages }: History, { forgets }: Bounds): boolean {
  const harmful = faults.filter(({ fault }) => fault !== "continue" && fault !== "end");
  const away = (from: number, until: number): boolean =>
    outages.some((outage) => outage.from <= until && outage.until >= from);
  // What can be forgotten is a claim or a renewal, as long as the lease goes on, and its end.
  if (forgets)
    return leases.some(({ start, answers, endsAt }) =>
      away(start.claimedAt, (answers.at(-1)?.at ?? endsAt) + SETTLED_MS),
    );
  let from = pushing?.at ?? Infinity;
  for (const lease of leases) {
    const until = lease.start.at;
    if (away(from, until) || harmful.some(({ at }) => at >= from && at <= until)) return true;
    // What is over waits no more.
    from = endedBy(lease, "done") || endedBy(lease, "fail") ? Infinity : until;
  }
  return leases.some(({ start, tries, answers }) =>
    tries.some((one) => {
      const answer = answers.find(({ at, end }) => at >= one.at && end === one.end);
      const unanswered = answer === undefined || (answer.type === "finish" && answer.result === "unknown");
      if (unanswered) return true;
      const until = answer.at + SETTLED_MS;
      const hit = faults.some(
        ({ target, at, fault }) => target === start.from && fault !== "continue" && at >= one.at && at <= until,
      );
      return hit || away(one.at, until);
    }),
  );
}

/** Before the delay of its push, or of the release before, by the store's wall clock. */
function checkTimes({ pushing, pushedAt, leases }: JobHistory, { offsets }: History, blame: Blame): void {
  const expect = (what: string, delayMs: number, from: number, until: number, start: number): void => {
    const passed = start - from + greatestRise(offsets, from - GRAIN_MS, until, start);
    if (passed < delayMs - GRAIN_MS)
      blame("early", `${Math.round(passed)} ms after its ${what} with a delay of ${delayMs} ms`);
  };
  for (const [i, { start }] of leases.entries()) {
    const before = leases[i - 1];
    if (before === undefined) {
      if (pushing !== undefined)
        expect("push", pushing.delayMs, pushing.at, Math.min(pushedAt ?? Infinity, start.at), start.at);
      continue;
    }
    const released = before.tries.find(({ end }) => end === "release");
    const ok = before.answers.find(({ type, end }) => type === "finish" && end === "release");
    if (released !== undefined && ok !== undefined && endedBy(before, "release"))
      expect("release", released.delayMs, released.at, ok.at, start.at);
  }
}

/** The store's own numbers against the logs. A completion whose answer was never read may be counted or not. */
function checkStats({ jobs }: History, { stats, jobs: remains }: Contents, violations: Violation[]): void {
  const blame = (why: string): void => void violations.push({ kind: "wrong", id: "", why });
  const all = [...jobs.values()];
  const sure = all.filter(({ leases }) => leases.some((lease) => endedBy(lease, "done"))).length;
  const most = all.filter(({ leases }) => leases.some((lease) => mayHaveEndedBy(lease, "done"))).length;
  if (stats.completed !== undefined && (stats.completed < sure || stats.completed > most))
    blame(`completedJobs is ${stats.completed}; the logs know of ${sure} to ${most}`);
  for (const state of ["pending", "delayed", "reserved", "failed"] as const) {
    const found = [...remains.values()].filter((job) => job.state === state).length;
    if (stats[state] !== undefined && stats[state] !== found)
      blame(`${state}Jobs is ${stats[state]}; ${found} are there`);
  }
  for (const id of remains.keys())
    if (!jobs.has(id)) violations.push({ kind: "wrong", id, why: "in the store, though nobody pushed it" });
}

/** A lease that another one followed without an end in between. */
function ranOut(lease: LeaseHistory): boolean {
  return !mayHaveEnded(lease);
}

function countApart(history: History, contents: Contents, bounds: Bounds): readonly Apart[] {
  const deaths = history.faults.filter(({ fault }) => fault === "kill" || fault === "poison").length;
  const hidden = deaths + history.outages.length * bounds.workers;
  const leases = [...history.jobs.values()].reduce((sum, job) => sum + job.leases.length, 0);
  const unseen = hidden * bounds.perClaim + Math.ceil(leases * bounds.falseLosses);
  return [
    { what: "leases lost by healthy processes", count: healthyLosses(history, bounds), bound: bounds.healthyLosses },
    { what: "leases that no log saw", count: unseenLeases(history, contents), bound: unseen },
    { what: "ms until taken back", count: slowestTakeBack(history), bound: bounds.takeBackMs },
    { what: "ms until work went on", count: slowestResume(history), bound: bounds.resumeMs },
    ...(bounds.twicePerFault === 0 ? [] : [jobsTwice(history, bounds)]),
    { what: "batches stored in part", count: tornBatches(history, contents, bounds.atomicBatch), bound: 0 },
  ];
}

/** How long after each return of the store anybody got a lease or had an end confirmed, if anybody did before the next outage, and not counting while no worker was ready. */
function slowestResume({ jobs, outages, workerless }: History): number {
  if (outages.length === 0) return 0;
  const signs = [...jobs.values()].flatMap(({ leases }) =>
    leases.flatMap(({ start, answers }) => [
      start.at,
      ...answers.flatMap((one) => (one.type === "finish" ? one.at : [])),
    ]),
  );
  signs.sort((a, b) => a - b);
  const waits = outages.map(({ until }, i) => {
    const next = signs.find((at) => at >= until) ?? until;
    return next < (outages[i + 1]?.from ?? Infinity) ? next - until - timeIn(workerless, until, next) : 0;
  });
  return Math.round(Math.max(...waits));
}

function jobsTwice(history: History, bounds: Bounds): Apart {
  const { twicePerFault } = bounds;
  const twice = [...history.jobs.values()].filter((job) => {
    let again = false;
    const blame = (): void => void (again = true);
    checkEnds(job, blame);
    if (bounds.forgets) checkLeases(job, history, bounds, blame);
    return again && mayBeTwice(job, history, bounds);
  });
  const faults = history.faults.filter(({ fault }) => fault === "kill" || fault === "poison").length;
  const bound = (faults + history.outages.length) * twicePerFault;
  return { what: "jobs twice after a fault", count: twice.length, bound };
}

function healthyLosses(history: History, bounds: Bounds): number {
  const { jobs, faults, outages } = history;
  const excused = (name: string, until: number): boolean =>
    faults.some(({ target, at, fault }) => target === name && at <= until && fault !== "continue" && fault !== "end");
  const disturbed = (from: number, until: number): boolean =>
    outages.some((outage) => outage.from <= until && outage.until >= from);
  let count = 0;
  for (const job of jobs.values()) {
    // The next lease can be the other copy's, also by the same holder: then this one ended only when its holder was killed.
    const isTwice = bounds.leaseEnds === "connection" && mayBeTwice(job, history, bounds);
    for (const [i, lease] of job.leases.entries()) {
      const next = job.leases[i + 1];
      if (next === undefined || !ranOut(lease)) continue;
      if (excused(lease.start.from, next.start.at) || isStalled(lease, history)) continue;
      if (isTwice && diedWith(lease, history)) continue;
      // On a broker the next one can be a copy's, which knows nothing of this lease: it is lost when its end is refused.
      const refusedAt = bounds.leaseEnds === "connection" ? (lease.answers.at(-1)?.at ?? 0) : 0;
      if (!disturbed(lease.start.claimedAt, Math.max(next.start.at, refusedAt))) count += 1;
    }
  }
  return count;
}

/** Whether the holder was killed later: until then it may have held the lease. */
function diedWith({ start }: LeaseHistory, { faults }: History): boolean {
  return faults.some(
    ({ target, at, fault }) => target === start.from && at >= start.at && (fault === "kill" || fault === "poison"),
  );
}

/** A holder asks for its renewal when half of the lease is left at the latest. If it stood still for half of that it may come too late, and nobody is to blame. */
const STALLED_PART = 1 / 4;

/** Whether the holder was not run for long while the lease ran which it had not renewed any more. */
function isStalled({ start: { from, leaseMs }, endsAt }: LeaseHistory, { stalls }: History): boolean {
  return timeIn(stalls.get(from) ?? [], endsAt - leaseMs, endsAt) >= leaseMs * STALLED_PART;
}

/**
 * How long after the end of each lease that ran out the next one on its job began. Nobody can take anything back while the store is away, or while each worker is
 * dead and the next one starts.
 */
function takeBacks({ jobs, outages, workerless }: History): readonly number[] {
  const nobody = merged([...outages, ...workerless]);
  return [...jobs.values()].flatMap(({ leases }) =>
    leases.flatMap((lease, i) => {
      const next = leases[i + 1];
      if (next === undefined || !ranOut(lease)) return [];
      return [next.start.at - lease.endsAt - timeIn(nobody, lease.endsAt, next.start.at)];
    }),
  );
}

/** Beyond what the others waited: what comes back stands behind the jobs that are ready, and a busy machine has many of these. */
function slowestTakeBack(history: History): number {
  const slowest = largest(takeBacks(history));
  return Math.round(Math.max(0, slowest - largest(firstWaits(history.jobs.values()))));
}

/** From the push, or the end of its delay, to the first lease. */
function firstWaits(jobs: Iterable<JobHistory>): readonly number[] {
  return [...jobs].flatMap(({ pushedAt, pushing, leases: [first] }) =>
    pushedAt === undefined || first === undefined ? [] : [first.start.at - pushedAt - (pushing?.delayMs ?? 0)],
  );
}

/** Of any number: a call takes only so many arguments. */
function largest(numbers: readonly number[]): number {
  return numbers.reduce((most, one) => Math.max(most, one), 0);
}

/** Losses that the store counts beyond the leases that the logs saw end without an answer. */
function unseenLeases({ jobs }: History, { jobs: remains }: Contents): number {
  let count = 0;
  for (const { id, leases } of jobs.values()) {
    const last = remains.get(id)?.losses ?? leases.at(-1)?.start.losses ?? 0;
    const open = remains.has(id) ? leases : leases.slice(0, -1);
    // A `done` may have been cut by a kill before the store took it: then its lease was lost.
    const seen = open.filter((lease) => !lease.answers.some(({ type }) => type === "finish")).length;
    count += Math.max(0, last - seen);
  }
  return count;
}

function tornBatches({ jobs }: History, { jobs: remains }: Contents, atomic: number): number {
  const batches = new Map<string, boolean[]>();
  for (const job of jobs.values()) {
    const { pushing } = job;
    if (pushing?.batch === undefined) continue;
    const stored = job.pushedAt !== undefined || job.leases.length > 0 || remains.has(job.id);
    const key = `${pushing.batch} ${pushing.queue}`;
    batches.set(key, [...(batches.get(key) ?? []), stored]);
  }
  return [...batches.values()].filter((all) => all.length <= atomic && all.includes(true) && all.includes(false))
    .length;
}

function countAll(history: History, { jobs: remains }: Contents): Readonly<Record<string, number>> {
  const { jobs, faults, outages, errors, offsets, claims } = history;
  const all = [...jobs.values()];
  const sum = (of: (job: JobHistory) => number): number => all.reduce((total, job) => total + of(job), 0);
  const failed = [...remains.values()].filter(({ state }) => state === "failed");
  const unresolved = all.filter(({ pushing, pushedAt }) => pushing !== undefined && pushedAt === undefined);
  return {
    pushed: sum(({ pushedAt }) => (pushedAt === undefined ? 0 : 1)),
    "pushes without an answer": unresolved.length,
    "of them stored": unresolved.filter(({ id, leases }) => leases.length > 0 || remains.has(id)).length,
    leases: sum(({ leases }) => leases.length),
    "runs to the end": sum(({ rans }) => rans),
    "runs repeated": sum(({ rans }) => Math.max(0, rans - 1)),
    completed: sum(({ leases }) => (leases.some((lease) => endedBy(lease, "done")) ? 1 : 0)),
    failed: failed.length,
    "of them by lost leases": failed.filter(({ code }) => code === "LEASE_EXPIRED").length,
    "leases that ran out": takeBacks(history).length,
    "of them over a stall": sum(
      ({ leases }) => leases.slice(0, -1).filter((lease) => ranOut(lease) && isStalled(lease, history)).length,
    ),
    "refused as stale": sum(
      ({ leases }) => leases.flatMap(({ answers }) => answers).filter(({ type }) => type === "refused").length,
    ),
    kills: faults.filter(({ fault }) => fault === "kill").length,
    stops: faults.filter(({ fault }) => fault === "stop").length,
    "ended in good order": faults.filter(({ fault }) => fault === "end").length,
    "clock steps": offsets.length - 1,
    stalls: [...history.stalls.values()].reduce((total, spans) => total + spans.length, 0),
    ...(claims.sent === 0
      ? {}
      : {
          "transactions that claim": claims.sent,
          "of them spoiled by others": claims.refused,
          "of a hundred": Math.round((100 * claims.refused) / claims.sent),
        }),
    ...outagesByKind(outages),
    ...poisons(faults),
    ...Object.fromEntries([...errors].map(([code, count]) => [`error ${code}`, count])),
  };
}

function outagesByKind(outages: History["outages"]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { why } of outages) counts[`store: ${why}`] = (counts[`store: ${why}`] ?? 0) + 1;
  return counts;
}

function poisons(faults: History["faults"]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { fault, why } of faults) {
    if (fault === "poison") counts[`poisoned: ${why}`] = (counts[`poisoned: ${why}`] ?? 0) + 1;
  }
  return counts;
}
