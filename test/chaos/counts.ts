/** How much happened in a run. */
import { takeBacks } from "./apart.ts";
import type { Contents } from "./finding.ts";
import type { History, JobHistory } from "./history.ts";
import { endedBy, isStalled, ranOut } from "./lease-ends.ts";

export function countAll(history: History, { jobs: remains }: Contents): Readonly<Record<string, number>> {
  const { jobs, faults, outages, errors, offsets, transactions } = history;
  const all = [...jobs.values()];
  const sum = (of: (job: JobHistory) => number): number => all.reduce((total, job) => total + of(job), 0);
  const failed = [...remains.values()].filter(({ state }) => state === "failed");
  const expired = [...remains].filter(([, { state, code }]) => state === "failed" && code === "LEASE_EXPIRED");
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
    "of them by lost leases": expired.length,
    // In the milliseconds between a claim and the start of its handler a kill can take a life from each slot, and from what was fetched ahead, once.
    "of them not begun in each life": expired.filter(
      ([id, { attempts }]) => (jobs.get(id)?.runs.length ?? 0) < attempts,
    ).length,
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
    ...(transactions.sent === 0
      ? {}
      : {
          "transactions that claim": transactions.sent,
          "of them spoiled by others": transactions.refused,
          "of a hundred": Math.round((100 * transactions.refused) / transactions.sent),
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
