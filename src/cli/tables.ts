import { stripVTControlCharacters } from "node:util";
import Table from "cli-table3";

/** `paint` colours what is shown of the text. */
export type Cell = string | Readonly<{ text: string; paint: (text: string) => string }>;
type Column = Readonly<{ head: string; align?: "left" | "right"; /** Longest text shown. Default 40. */ max?: number }>;

const graphemes = new Intl.Segmenter();

/** Space between columns and no lines, so that words can be selected and piped. cli-table3 knows that CJK characters are two cells wide. */
const NO_LINES = {
  ...{ top: "", "top-mid": "", "top-left": "", "top-right": "", bottom: "", "bottom-mid": "", "bottom-left": "" },
  ...{ "bottom-right": "", left: "", "left-mid": "", mid: "", "mid-mid": "", right: "", "right-mid": "", middle: "  " },
};

export function table(columns: readonly Column[], rows: readonly (readonly Cell[])[]): string {
  const shown = new Table({
    head: columns.map(({ head }) => head),
    colAligns: columns.map(({ align }) => align ?? "left"),
    chars: NO_LINES,
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
  });
  for (const row of rows) shown.push(row.map((cell, i) => shownCell(cell, columns[i]?.max ?? 40)));
  return shown
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

function shownCell(cell: Cell, max: number): string {
  return typeof cell === "string" ? oneLine(cell, max) : cell.paint(oneLine(cell.text, max));
}

/** Names and messages come from anybody: no control sequence of theirs reaches the terminal. */
export function oneLine(text: string, max: number): string {
  const line = printable(text).replace(/\s+/g, " ").trim();
  if (line.length <= max) return line;
  const letters = Array.from(graphemes.segment(line), ({ segment }) => segment);
  return letters.length > max ? `${letters.slice(0, max - 1).join("")}…` : line;
}

/** Without control characters but line feed and tab. */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replace(/[\p{Cc}\p{Cf}]/gu, (c) => (c === "\n" || c === "\t" ? c : ""));
}
