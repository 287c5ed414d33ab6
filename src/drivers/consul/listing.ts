import type { CoordinationEntry } from "../../contract/index.ts";
import type { KeyValues, Row } from "./client/key-values.ts";

/** A listing, and the index at whose moment or later it was read. */
export type Listing = Readonly<{ entries: readonly CoordinationEntry[]; index: string }>;

/** Keys that are read in one transaction. Half of what Consul takes since 1.15, which older servers take too. */
const READ_AT_ONCE = 64;
/** Whoever wants so many gets them faster with everything that lies there: one request instead of two and more. */
const FEW = 128;

export function entryOf({ key, value, modifyIndex }: Row): CoordinationEntry {
  const bytes = value === undefined ? new Uint8Array() : Uint8Array.from(Buffer.from(value, "base64"));
  return { key, value: bytes, version: String(modifyIndex) };
}

/** Everything under a prefix, at one moment. */
export async function listAll(keys: KeyValues, prefix: string, after = ""): Promise<Listing> {
  const { rows, index } = await keys.list(prefix);
  return { entries: rows.flatMap((row) => (row.key > after ? [entryOf(row)] : [])), index };
}

/**
 * The first `limit` keys behind `after`. Consul sends everything under a prefix or nothing, so for few the names are asked for level by level, from the
 * first one down, and values only of what is wanted: the cost does not grow with what lies behind. What is deleted meanwhile is left out.
 */
export async function listFirst(keys: KeyValues, prefix: string, limit: number, after = ""): Promise<Listing> {
  if (limit >= FEW) {
    const { entries, index } = await listAll(keys, prefix, after);
    return { entries: entries.slice(0, limit), index };
  }
  const found: string[] = [];
  const index = await collect(keys, prefix, after, limit, found);
  const entries: CoordinationEntry[] = [];
  for (let at = 0; at < found.length; at += READ_AT_ONCE)
    entries.push(...(await read(keys, found.slice(at, at + READ_AT_ONCE))));
  return { entries, index };
}

async function collect(
  keys: KeyValues,
  prefix: string,
  after: string,
  limit: number,
  found: string[],
): Promise<string> {
  const { names, index } = await keys.names(prefix);
  for (const name of names) {
    if (found.length >= limit) break;
    const isDeeper = name.endsWith("/");
    if (isDeeper && (name > after || after.startsWith(name))) await collect(keys, name, after, limit, found);
    else if (!isDeeper && name > after) found.push(name);
  }
  return index;
}

async function read(keys: KeyValues, names: readonly string[]): Promise<readonly CoordinationEntry[]> {
  for (let left = names; left.length > 0;) {
    const result = await keys.commit(keys.bodyOf(left.map((key) => ({ verb: "get", key }))));
    if (result.ok) return result.rows.map(entryOf);
    const gone = new Set(result.refused.map(({ at }) => at));
    left = left.filter((_, at) => !gone.has(at));
  }
  return [];
}
