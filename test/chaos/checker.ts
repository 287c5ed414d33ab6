/**
 * Reads what the processes of a run wrote down and what the store holds in the end, and tells what the store did wrong. A pure function;
 * docs/adr/0060 says how each rule avoids blaming an honest store for what a log cannot know.
 */
import { countApart } from "./apart.ts";
import { countAll } from "./counts.ts";
import type { Bounds, Contents, Finding, Kind, Violation } from "./finding.ts";
import { historyOf } from "./history.ts";
import { mayBeTwice } from "./lease-ends.ts";
import type { Line } from "./log.ts";
import { checkContent, checkEnds, checkLeases, checkPresence, checkStats, checkTimes } from "./rules.ts";

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
