import { KINDS } from "./finding.ts";
import type { Outcome } from "./scenario.ts";

const SHOWN = 8;

/** One column a scenario; zeros of what must be zero are printed too. */
export function report(outcomes: readonly Outcome[]): string {
  const rows = new Map<string, string[]>();
  const row = (what: string, of: (outcome: Outcome) => number | undefined): void => {
    rows.set(
      what,
      outcomes.map((outcome) => String(of(outcome) ?? "-")),
    );
  };
  row("seconds", ({ seconds }) => Math.round(seconds));
  for (const kind of KINDS) row(kind, ({ violations }) => violations.filter((found) => found.kind === kind).length);
  for (const what of namesOf(outcomes, ({ counts }) => Object.keys(counts))) row(what, ({ counts }) => counts[what]);
  for (const what of namesOf(outcomes, ({ apart }) => apart.map((entry) => entry.what)))
    rows.set(
      what,
      outcomes.map(({ apart }) => shown(apart.find((entry) => entry.what === what))),
    );
  return [...table(outcomes, rows), ...outcomes.flatMap(complaints)].join("\n");
}

function shown(apart: Readonly<{ count: number; bound: number }> | undefined): string {
  return apart === undefined ? "-" : `${apart.count} of ${apart.bound}`;
}

function namesOf(outcomes: readonly Outcome[], of: (outcome: Outcome) => readonly string[]): ReadonlySet<string> {
  return new Set(outcomes.flatMap(of));
}

function table(outcomes: readonly Outcome[], rows: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const numbers = outcomes.map((_, i) => `[${i + 1}]`);
  const first = Math.max(...[...rows.keys()].map((what) => what.length));
  const widths = numbers.map((head, i) =>
    Math.max(head.length, ...[...rows.values()].map((cells) => cells[i]?.length ?? 0)),
  );
  const line = (what: string, cells: readonly string[]): string =>
    [what.padEnd(first), ...cells.map((cell, i) => cell.padStart(widths[i] ?? 0))].join("  ");
  const legend = outcomes.map(({ name }, i) => `[${i + 1}] ${name}`);
  return [...legend, line("", numbers), ...[...rows].map(([what, cells]) => line(what, cells))];
}

export function complaints({ name, violations, problems, folder }: Outcome): readonly string[] {
  if (violations.length + problems.length === 0) return [];
  const found = violations.slice(0, SHOWN).map(({ kind, id, why }) => `  ${kind}: ${id} ${why}`);
  const more = violations.length > SHOWN ? [`  and ${violations.length - SHOWN} more`] : [];
  return [`${name} (logs in ${folder}):`, ...found, ...more, ...problems.map((problem) => `  ${problem}`)];
}

export function isClean({ violations, problems }: Outcome): boolean {
  return violations.length + problems.length === 0;
}
