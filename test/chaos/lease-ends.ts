/** How a lease may have ended, as far as the logs can tell. */
import { timeIn } from "../stalls/spans.ts";
import type { Bounds } from "./finding.ts";
import type { History, JobHistory, LeaseHistory } from "./history.ts";

/** `ok` or without an answer: it may have been stored. A try without a line after it was cut by a kill. */
export function mayHaveEnded({ tries, answers }: LeaseHistory): boolean {
  if (tries.length === 0) return false;
  return answers.length < tries.length || answers.some(({ type }) => type === "finish");
}

export function endedBy(lease: LeaseHistory, end: string): boolean {
  return lease.answers.some((answer) => answer.type === "finish" && answer.result === "ok" && answer.end === end);
}

export function mayHaveEndedBy(lease: LeaseHistory, end: string): boolean {
  return mayHaveEnded(lease) && lease.tries.some((attempt) => attempt.end === end);
}

/** A lease that another one followed without an end in between. */
export function ranOut(lease: LeaseHistory): boolean {
  return !mayHaveEnded(lease);
}

/** The first fault that can have ended the connection that the lease came on. */
export function connectionLostAt({ start }: LeaseHistory, { faults, outages }: History): number {
  const ofProcess = faults.filter(({ target, fault }) => target === start.from && fault !== "continue");
  const moments = [...ofProcess.map(({ at }) => at), ...outages.map(({ until }) => until)];
  const disturbed = outages.some(({ from, until }) => from <= start.at && until >= start.claimedAt);
  return disturbed ? start.at : Math.min(...moments.filter((at) => at >= start.claimedAt), Infinity);
}

/** Whether the holder was killed later: until then it may have held the lease. */
export function diedWith({ start }: LeaseHistory, { faults }: History): boolean {
  return faults.some(
    ({ target, at, fault }) => target === start.from && at >= start.at && (fault === "kill" || fault === "poison"),
  );
}

/** How long before a fault an end must have been sent to be settled for certain. */
const SETTLED_MS = 2_000;

/**
 * Whether a fault met the job between two steps that a broker cannot do as one: a copy and the end of the original, an end that was sent and its storage. Before each start
 * that can be anywhere: drivers give back by a copy what nobody asked for, and the server moves a delayed job from step to step; no log sees either. Or whether a fail-over
 * may have forgotten a claim or an end.
 */
export function mayBeTwice(
  { pushing, leases }: JobHistory,
  { faults, outages }: History,
  { forgets }: Bounds,
): boolean {
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
  return leases.some((lease) => mayEndBeUndone(lease, { faults, outages }));
}

/** Whether a fault came between an end and the moment from which it is settled. */
export function mayEndBeUndone(
  { start, tries, answers }: LeaseHistory,
  { faults, outages }: Pick<History, "faults" | "outages">,
): boolean {
  return tries.some((one) => {
    const answer = answers.find(({ at, end }) => at >= one.at && end === one.end);
    const unanswered = answer === undefined || (answer.type === "finish" && answer.result === "unknown");
    if (unanswered) return true;
    const until = answer.at + SETTLED_MS;
    const hit = faults.some(
      ({ target, at, fault }) => target === start.from && fault !== "continue" && at >= one.at && at <= until,
    );
    return hit || outages.some((outage) => outage.from <= until && outage.until >= one.at);
  });
}

/** A holder asks for its renewal when half of the lease is left at the latest. If it stood still for half of that it may come too late, and nobody is to blame. */
const STALLED_PART = 1 / 4;

/** A claim that was answered when so much of its lease was over, on a machine or a store too busy: the holder may ask too late, too. */
const ANSWERED_PART = 1 / 2;

/** Whether the holder was not run for long while the lease ran which it had not renewed any more, or was given it late and never renewed it. */
export function isStalled({ start, endsAt }: LeaseHistory, { stalls }: History): boolean {
  const { from, leaseMs, claimedAt } = start;
  const isFirst = endsAt === claimedAt + leaseMs;
  if (isFirst && start.at - claimedAt >= leaseMs * ANSWERED_PART) return true;
  return timeIn(stalls.get(from) ?? [], endsAt - leaseMs, endsAt) >= leaseMs * STALLED_PART;
}
