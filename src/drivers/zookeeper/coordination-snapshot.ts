import type { CoordinationEntry } from "../../contract/index.ts";
import type { KeptClient } from "./client/kept-client.ts";
import { readReadResults, type ReadResult, type Stat } from "./client/replies.ts";
import { requests } from "./client/requests.ts";
import { answerError, Code, ZookeeperError } from "./client/zookeeper-error.ts";
import type { Layout } from "./coordination-layout.ts";
import type { ListedNames } from "./listed-names.ts";

/** Nodes that one request reads. */
const CHUNK = 1_000;
/** Each takes as long as two answers. New keys would have to come faster than that all the time. */
const MAX_ROUNDS = 100;

export type Listing = Readonly<{
  entries: readonly CoordinationEntry[];
  /** The moment of the server at which all this was so. */
  zxid: bigint;
  /** When a key of the area last came or went. */
  pzxid: bigint;
}>;

/** `fresh`: not older than what any client was confirmed. Without it, than what this connection has heard. */
export type ListingOptions = Readonly<{
  limit?: number;
  after?: string;
  fresh?: boolean;
  /** Names that were listed before. */
  expected?: ListedNames;
  /** Of each node that was read. */
  saw?: Saw;
}>;
type Saw = (path: string, stat: Stat) => void;

type Named = Readonly<{ key: string; path: string }>;
type Round = Readonly<{ wanted: readonly Named[]; listing: Listing | undefined; pzxid: bigint }>;

/**
 * The keys of a prefix, all as they were at one moment: names and values together in one step of the server, which counts when no name is new among those that
 * are wanted. `expected` are the names that are likely: with the right ones it takes one request. Beyond 1,000 keys it takes several steps: these count when
 * nothing changed after the first.
 */
export async function readListing(
  client: KeptClient,
  layout: Layout,
  prefix: string,
  { limit = Infinity, after = "", fresh = true, expected, saw }: ListingOptions = {},
): Promise<Listing> {
  const area = layout.area(prefix);
  const choose = chooser(layout, area, prefix, after, limit);
  const reading = { client, area, choose, saw, expected };
  let round = await readRound(reading, choose(expected?.of(area) ?? []), undefined, fresh);
  for (let rounds = 0; round.listing === undefined; rounds += 1) {
    if (rounds >= MAX_ROUNDS)
      throw new ZookeeperError("refused", `The keys below ${prefix} changed too fast to be read at one moment.`);
    round = await readRound(reading, round.wanted, round.pzxid, false);
  }
  return round.listing;
}

/** Of thousands of names mostly a few are wanted, so most are never made a key. */
function chooser(
  layout: Layout,
  area: string,
  prefix: string,
  after: string,
  limit: number,
): (names: readonly string[]) => readonly Named[] {
  const named = (name: string): Named => ({ key: layout.keyIn(area, name), path: `${area}/${name}` });
  const begin = layout.nameIn(prefix);
  return (names) => {
    // One that begins with a comma is not called like its key.
    const below = names.filter((name) => name.startsWith(begin) || name.startsWith(","));
    // Of ASCII, so the order of the bytes. Names have it, too, where no comma stands for a slash.
    const isPlain = after === "" && !below.some((name) => name.includes(","));
    if (isPlain) return first(below, limit).map(named);
    const keys = below.map(named).filter(({ key }) => key.startsWith(prefix) && key > after);
    return keys.toSorted((a, b) => (a.key < b.key ? -1 : 1)).slice(0, limit);
  };
}

/** In order. Of many names, few of which are wanted, most are looked at once. */
function first(names: readonly string[], limit: number): readonly string[] {
  if (limit > names.length / 4) return names.toSorted().slice(0, limit);
  const found: string[] = [];
  for (const name of names) {
    const last = found.at(-1);
    if (found.length >= limit && last !== undefined && name > last) continue;
    const at = found.findIndex((other) => name < other);
    found.splice(at === -1 ? found.length : at, 0, name);
    if (found.length > limit) found.pop();
  }
  return found;
}

type Reading = Readonly<{
  client: KeptClient;
  area: string;
  choose: (names: readonly string[]) => readonly Named[];
  saw: Saw | undefined;
  expected: ListedNames | undefined;
}>;

/** `before`: when the names had changed last from which `wanted` was chosen. */
async function readRound(
  { client, area, choose, saw, expected }: Reading,
  wanted: readonly Named[],
  before: bigint | undefined,
  fresh: boolean,
): Promise<Round> {
  const chunks: (readonly Named[])[] = [];
  for (let at = 0; at === 0 || at < wanted.length; at += CHUNK) chunks.push(wanted.slice(at, at + CHUNK));
  const replies = await Promise.all(
    chunks.map((chunk, index) => {
      const read = readRequest(area, chunk);
      // What is sent behind it on the same connection is as fresh.
      return fresh && index === 0 ? client.callBoth(requests.sync(area), read) : client.call(read);
    }),
  );
  const zxid = replies[0]?.zxid ?? 0n;
  const known = new Set(wanted.map(({ key }) => key));
  const entries: CoordinationEntry[] = [];
  let pzxid = 0n;
  for (const [index, { body }] of replies.entries()) {
    const [head, names, ...nodes] = readReadResults(body);
    if (head?.kind === "error" && head.code !== Code.noNode) throw answerError(head.code, area);
    const changed = head?.kind === "node" ? head.node.stat.pzxid : 0n;
    const below = names?.kind === "names" ? names.names : [];
    expected?.saw(area, below);
    const chosen = changed === before ? wanted : choose(below);
    if (chosen.some(({ key }) => !known.has(key))) return { wanted: chosen, listing: undefined, pzxid: changed };
    if (pzxid === 0n) pzxid = changed;
    for (const [place, node] of nodes.entries()) {
      const { key = "", path = "" } = chunks[index]?.[place] ?? {};
      const entry = entryOf(key, node);
      if (entry === undefined) continue;
      entries.push(entry);
      if (node.kind === "node") saw?.(path, node.node.stat);
    }
    // A chunk of a later moment: the same as at the first one, or it is read again.
    const isSame = head?.kind === "node" && (index === 0 || changed === pzxid);
    if (!isSame && replies.length > 1) return { wanted: chosen, listing: undefined, pzxid: changed };
  }
  if (replies.length > 1 && entries.some(({ version }) => BigInt(version) > zxid))
    return { wanted, listing: undefined, pzxid };
  return { wanted, listing: { entries, zxid, pzxid }, pzxid };
}

function readRequest(area: string, chunk: readonly Named[]): ReturnType<typeof requests.multiRead> {
  return requests.multiRead([
    { op: "getData", path: area },
    { op: "getChildren", path: area },
    ...chunk.map(({ path }) => ({ op: "getData", path }) as const),
  ]);
}

/** undefined for a key that is not there. @throws what else the server answered. */
function entryOf(key: string, result: ReadResult): CoordinationEntry | undefined {
  if (result.kind === "error") {
    if (result.code === Code.noNode || result.code === Code.runtimeInconsistency) return undefined;
    throw answerError(result.code, key);
  }
  if (result.kind !== "node") return undefined;
  const { data, stat } = result.node;
  return { key, value: Uint8Array.from(data), version: String(stat.mzxid) };
}
