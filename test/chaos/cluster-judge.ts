/** Whether a cluster kept its promises: never two accepted writers, never two who believe that they lead, a new leader in time. */
import { DatabaseSync } from "node:sqlite";
import { merged, type Span, timeIn } from "../stalls/spans.ts";
import type { Violation } from "./finding.ts";
import type { Heard } from "./cluster-fleet.ts";

/** `from`: by the machine's clock, when the leader was lost. `without`: the node that led until then. */
export type Election = Readonly<{ fault: string; from: number; ms: number; boundMs: number; without: string }>;

type Write = Readonly<{ at: number; term: number; node: string; accepted: number; believed: number }>;

/** How long it took of the time in which all who could lead were run. */
export function withoutStalls({ from, ms, without }: Election, stalls: ReadonlyMap<string, readonly Span[]>): number {
  const ofOthers = [...stalls].flatMap(([node, spans]) => (node === without ? [] : spans));
  return ms === Infinity ? ms : ms - timeIn(merged(ofOthers), from, from + ms);
}

export function judgeElections(
  elections: readonly Election[],
  ttlMs: number,
  stalls: ReadonlyMap<string, readonly Span[]>,
): readonly Violation[] {
  return elections
    .map((election) => ({ ...election, ms: withoutStalls(election, stalls) }))
    .filter(({ ms, boundMs }) => ms >= boundMs)
    .map(({ fault, ms, boundMs }) => ({
      kind: "unbounded" as const,
      id: fault,
      why: `no new leader for ${Math.round(ms)} ms, at most ${boundMs} with a time-out of ${ttlMs} ms`,
    }));
}

export function judgeRegister(
  file: string,
  heard: readonly Heard[],
): Readonly<{ violations: readonly Violation[]; counts: Readonly<Record<string, number>> }> {
  const database = new DatabaseSync(file, { readOnly: true });
  const writes = database.prepare("SELECT at, term, node, accepted, believed FROM writes ORDER BY n").all() as Write[];
  database.close();
  const elected = heard
    .filter(({ kind }) => kind === "elected")
    .map(({ at, node, term }) => ({ at, node, term: Number(term) }))
    .toSorted((a, b) => a.at - b.at);
  return {
    violations: judgeWrites(writes, elected),
    counts: {
      leaders: elected.length,
      "writes of leaders": writes.filter(({ accepted }) => accepted === 1).length,
      "writes refused for their term": writes.filter(({ accepted }) => accepted === 0).length,
      "sessions lost": heard.filter(({ kind }) => kind === "lost").length,
    },
  };
}

/** `elected` by time. All times are of the machine's one clock. */
export function judgeWrites(
  writes: readonly Write[],
  elected: readonly Readonly<{ at: number; node: string; term: number }>[],
): readonly Violation[] {
  const violations: Violation[] = [];
  const blame = (id: string, why: string): void => void violations.push({ kind: "two leases", id, why });
  for (const [i, { term, node }] of elected.entries()) {
    const before = elected[i - 1];
    if (before !== undefined && term <= before.term)
      blame(node, `elected with term ${term} after ${before.node} had ${before.term}`);
  }
  let highest = 0;
  for (const { term, node, accepted, believed, at } of writes) {
    const owner = elected.find((one) => one.term === term)?.node;
    if (owner !== node) blame(node, `wrote with term ${term}, which ${owner ?? "nobody"} was given`);
    if (accepted === 1 && term < highest) blame(node, `wrote with term ${term} after ${highest} was accepted`);
    if (accepted === 1) highest = Math.max(highest, term);
    const next = elected.find((one) => one.term > term);
    if (believed === 1 && next !== undefined && at > next.at)
      blame(node, `believed to lead ${Math.round(at - next.at)} ms after ${next.node} was elected`);
  }
  return violations;
}
