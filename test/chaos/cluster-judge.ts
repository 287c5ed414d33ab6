/** Whether a cluster kept its promises: never two accepted writers, never two who believe that they lead, a new leader in time. */
import { merged, type Span, timeIn } from "../stalls/spans.ts";
import type { Violation } from "./finding.ts";
import type { Heard } from "./cluster-fleet.ts";
import { type Write, writesIn } from "./cluster-register.ts";

/** How long `what` took to come after a fault. `from`: by the machine's clock. `without`: the node that it befell, if nobody may wait for it. */
export type Wait = Readonly<{
  fault: string;
  what: string;
  from: number;
  ms: number;
  boundMs: number;
  without: string;
}>;

export const HAND_OVER = "a hand-over";
export const HAND_OVER_MS = 100;
/** So many are not all slow because others are busy. */
const ENOUGH_HAND_OVERS = 3;

/** How long it took of the time in which all who could lead were run. */
export function withoutStalls({ from, ms, without }: Wait, stalls: ReadonlyMap<string, readonly Span[]>): number {
  const ofOthers = [...stalls].flatMap(([node, spans]) => (node === without ? [] : spans));
  return ms === Infinity ? ms : ms - timeIn(merged(ofOthers), from, from + ms);
}

export function judgeWaits(
  waits: readonly Wait[],
  ttlMs: number,
  stalls: ReadonlyMap<string, readonly Span[]>,
): readonly Violation[] {
  return waits
    .map((wait) => ({ ...wait, ms: withoutStalls(wait, stalls) }))
    .filter(({ ms, boundMs }) => ms >= boundMs)
    .map(({ fault, what, ms, boundMs }) => ({
      kind: "unbounded" as const,
      id: fault,
      why: `${what} did not come for ${Math.round(ms)} ms, at most ${boundMs} with a time-out of ${ttlMs} ms`,
    }));
}

/** The shortest of a run is as long as a hand-over takes: whatever the machine does meanwhile, it does not meet each. */
export function judgeHandOvers(
  waits: readonly Wait[],
  stalls: ReadonlyMap<string, readonly Span[]>,
): readonly Violation[] {
  const took = waits.filter(({ what }) => what === HAND_OVER).map((wait) => withoutStalls(wait, stalls));
  const least = Math.min(...took);
  if (took.length < ENOUGH_HAND_OVERS || least < HAND_OVER_MS) return [];
  const why = `none of ${took.length} took less than ${HAND_OVER_MS} ms, the shortest ${Math.round(least)}`;
  return [{ kind: "unbounded", id: HAND_OVER, why }];
}

export function judgeRegister(
  file: string,
  heard: readonly Heard[],
): Readonly<{ violations: readonly Violation[]; counts: Readonly<Record<string, number>> }> {
  const writes = writesIn(file);
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
