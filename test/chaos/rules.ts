/** The promises: each rule blames a store that broke one for certain. */
import type { Bounds, Contents, Kind, Remains, Violation } from "./finding.ts";
import { greatestRise, type History, type JobHistory, type LeaseHistory } from "./history.ts";
import { connectionLostAt, endedBy, mayHaveEnded, mayHaveEndedBy } from "./lease-ends.ts";

/** Grain of the clocks that are compared: the store rounds to milliseconds. */
const GRAIN_MS = 2;

type Blame = (kind: Kind, why: string) => void;

export function checkPresence(job: JobHistory, { jobs }: Contents, blame: Blame): void {
  if (job.pushedAt === undefined) return;
  const remains = jobs.get(job.id);
  if (remains !== undefined && remains.state !== "completed") return;
  if (job.rans === 0) blame("lost", "pushed, never ran to its end, and not in the store");
  else if (!job.leases.some((lease) => mayHaveEndedBy(lease, "done")))
    blame("lost", "not in the store, though nobody completed it");
}

export function checkContent(job: JobHistory, { jobs }: Contents, blame: Blame): void {
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
export function checkEnds(job: JobHistory, blame: Blame): void {
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
    if (at < acceptedSince(lease, next))
      blame("illegal duplicate", `"${accepted.end}" accepted under ${lease.start.token} after a start under ${token}`);
  }
}

/**
 * When the end that was accepted can have been stored at the earliest: when its last try was sent. What was repeated because its answer was lost may have been stored by the
 * first try, and is told as accepted then; but not where the next start came from a lease that ran out, which an end that was stored does not leave.
 */
function acceptedSince({ start, tries, answers }: LeaseHistory, next: LeaseHistory): number {
  const hasRunOut = next.start.losses > start.losses || answers.some(({ type }) => type === "refused");
  return (hasRunOut ? tries.at(-1) : tries[0])?.at ?? Infinity;
}

export function checkLeases({ leases }: JobHistory, history: History, bounds: Bounds, blame: Blame): void {
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

/** Before the delay of its push, or of the release before, by the store's wall clock. */
export function checkTimes({ pushing, pushedAt, leases }: JobHistory, { offsets }: History, blame: Blame): void {
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
export function checkStats({ jobs }: History, { stats, jobs: remains }: Contents, violations: Violation[]): void {
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
