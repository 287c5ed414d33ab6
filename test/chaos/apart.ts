/** What a log cannot decide: counted, with what faults can explain as its bound. */
import { merged, timeIn } from "../stalls/spans.ts";
import type { Apart, Bounds, Contents } from "./finding.ts";
import type { History, JobHistory, LeaseHistory } from "./history.ts";
import { diedWith, isStalled, mayBeTwice, mayEndBeUndone, ranOut } from "./lease-ends.ts";
import { checkEnds, checkLeases } from "./rules.ts";

export function countApart(history: History, contents: Contents, bounds: Bounds): readonly Apart[] {
  const deaths = history.faults.filter(({ fault }) => fault === "kill" || fault === "poison").length;
  const disturbed = deaths + history.outages.length * bounds.workers;
  const leases = [...history.jobs.values()].reduce((sum, job) => sum + job.leases.length, 0);
  const unseen = hiddenClaims(history) + disturbed * bounds.unasked + Math.ceil(leases * bounds.falseLosses);
  return [
    { what: "leases lost by healthy processes", count: healthyLosses(history, bounds), bound: bounds.healthyLosses },
    { what: "leases that no log saw", count: unseenLeases(history, contents, bounds), bound: unseen },
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
  // A stop that lasts ends a connection, and what was on its way to the stopped process is read when it goes on.
  const ends = bounds.leaseEnds === "connection" ? ["kill", "poison", "stop"] : ["kill", "poison"];
  const faults = history.faults.filter(({ fault }) => ends.includes(fault)).length;
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

/**
 * How long after the end of each lease that ran out the next one on its job began. Nobody can take anything back while the store is away, or while each worker is
 * dead and the next one starts.
 */
export function takeBacks({ jobs, outages, workerless }: History): readonly number[] {
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

/** Most jobs that claims took whose answers no log saw: a kill came first, or they failed. A claim that a disturbance of the store met may have been sent twice. */
function hiddenClaims({ claims, outages }: History): number {
  const hidden = claims.filter(
    ({ from, until }) => until === Infinity || outages.some((outage) => outage.from <= until && outage.until >= from),
  );
  return hidden.reduce((sum, { max }) => sum + max, 0);
}

/** Losses that the store counts beyond the leases that the logs saw end without an answer. */
function unseenLeases(history: History, { jobs: remains }: Contents, bounds: Bounds): number {
  const { jobs } = history;
  const isSettled = (lease: LeaseHistory): boolean =>
    lease.answers.some((answer) => answer.type === "finish" && answer.result === "ok") &&
    !(bounds.twicePerFault > 0 && mayEndBeUndone(lease, history));
  let count = 0;
  for (const { id, leases } of jobs.values()) {
    const last = remains.get(id)?.losses ?? leases.at(-1)?.start.losses ?? 0;
    const open = remains.has(id) ? leases : leases.slice(0, -1);
    // A `done` may have been cut by a kill before the store took it: then its lease was lost.
    const seen = open.filter((lease) => !isSettled(lease)).length;
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
