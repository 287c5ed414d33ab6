import type { CoordinationEntry } from "../contract/index.ts";
import { objectOf } from "./json-bytes.ts";
import type { ClusterKeys } from "./keys.ts";
import { standing } from "./waiting-line.ts";

/** Who has a lock, and who waits for it in which order. */
export type LineState = Readonly<{
  name: string;
  holder: Readonly<{ nodeId: string; token: bigint }>;
  waiting: readonly string[];
}>;

/** The locks among these entries, by name. */
export function linesOf(entries: Iterable<CoordinationEntry>, keys: ClusterKeys): readonly LineState[] {
  const lines = new Map<string, CoordinationEntry[]>();
  for (const entry of standing(entries)) {
    const name = keys.lockName(entry.key);
    lines.set(name, [...(lines.get(name) ?? []), entry]);
  }
  return [...lines].map(([name, line]) => lineOf(name, line)).toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function lineOf(name: string, line: readonly CoordinationEntry[]): LineState {
  const [first, ...waiting] = line;
  const holder = { nodeId: nodeOf(first), token: BigInt(first?.version ?? 0) };
  return { name, holder, waiting: waiting.map(nodeOf) };
}

function nodeOf(entry: CoordinationEntry | undefined): string {
  const node = entry === undefined ? undefined : objectOf(entry.value)?.["node"];
  return typeof node === "string" ? node : "?";
}
