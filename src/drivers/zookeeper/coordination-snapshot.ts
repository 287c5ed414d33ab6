import type { CoordinationEntry } from "../../contract/index.ts";
import type { KeptClient } from "./client/kept-client.ts";
import { readNames, readReadResults, readStat, type ReadResult } from "./client/replies.ts";
import { requests } from "./client/requests.ts";
import { answerError, Code, isAnswer, ZookeeperError } from "./client/zookeeper-error.ts";
import type { Layout } from "./coordination-layout.ts";

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
export type ListingOptions = Readonly<{ limit?: number; after?: string; fresh?: boolean }>;

type Named = Readonly<{ key: string; path: string }>;
type Round = Readonly<{ wanted: readonly Named[]; listing: Listing | undefined }>;

/**
 * The keys of a prefix, all as they were at one moment. Names come first, then names and values together in one step of the server: it counts when
 * no name is new. Beyond 1,000 keys in several steps: these count when nothing changed after the first.
 */
export async function readListing(
  client: KeptClient,
  layout: Layout,
  prefix: string,
  { limit = Infinity, after = "", fresh = true }: ListingOptions = {},
): Promise<Listing> {
  const area = layout.area(prefix);
  const choose = (names: readonly string[]): readonly Named[] => {
    const keys = names.map((name) => ({ key: layout.keyIn(area, name), path: `${area}/${name}` }));
    const chosen = keys.filter(({ key }) => key.startsWith(prefix) && key > after);
    // Of ASCII, so the order of the bytes.
    return chosen.toSorted((a, b) => (a.key < b.key ? -1 : 1)).slice(0, limit);
  };
  const first = await namesIn(client, area, fresh);
  if (!("names" in first)) return { entries: [], ...first };
  let wanted = choose(first.names);
  if (wanted.length === 0) return { entries: [], zxid: first.zxid, pzxid: first.pzxid };
  for (let rounds = 0; rounds < MAX_ROUNDS; rounds += 1) {
    const round = await readRound(client, area, wanted, choose);
    if (round.listing !== undefined) return round.listing;
    wanted = round.wanted;
  }
  throw new ZookeeperError("refused", `The keys below ${prefix} changed too fast to be read at one moment.`);
}

type Names = Readonly<{ zxid: bigint; pzxid: bigint; names: readonly string[] }>;

type NoArea = Omit<Names, "names">;

async function namesIn(client: KeptClient, area: string, fresh: boolean): Promise<Names | NoArea> {
  try {
    const names = requests.getChildren2(area);
    const { body, zxid } = await (fresh ? client.callBoth(requests.sync(area), names) : client.call(names));
    return { names: readNames(body), zxid, pzxid: readStat(body).pzxid };
  } catch (error) {
    if (isAnswer(error, Code.noNode)) return { zxid: error.zxid, pzxid: 0n };
    throw error;
  }
}

async function readRound(
  client: KeptClient,
  area: string,
  wanted: readonly Named[],
  choose: (names: readonly string[]) => readonly Named[],
): Promise<Round> {
  const chunks: (readonly Named[])[] = [];
  for (let at = 0; at === 0 || at < wanted.length; at += CHUNK) chunks.push(wanted.slice(at, at + CHUNK));
  const replies = await Promise.all(chunks.map((chunk) => client.call(readRequest(area, chunk))));
  const zxid = replies[0]?.zxid ?? 0n;
  const known = new Set(wanted.map(({ key }) => key));
  const entries: CoordinationEntry[] = [];
  let pzxid = 0n;
  for (const [index, { body }] of replies.entries()) {
    const [head, names, ...nodes] = readReadResults(body);
    const chosen = choose(names?.kind === "names" ? names.names : []);
    if (chosen.some(({ key }) => !known.has(key))) return { wanted: chosen, listing: undefined };
    if (head?.kind === "node" && pzxid === 0n) pzxid = head.node.stat.pzxid;
    for (const [place, node] of nodes.entries()) {
      const entry = entryOf(chunks[index]?.[place]?.key ?? "", node);
      if (entry !== undefined) entries.push(entry);
    }
    // A chunk of a later moment: the same as at the first one, or it is read again.
    const isSame = head?.kind === "node" && (index === 0 || head.node.stat.pzxid === pzxid);
    if (!isSame && replies.length > 1) return { wanted: chosen, listing: undefined };
  }
  if (replies.length > 1 && entries.some(({ version }) => BigInt(version) > zxid))
    return { wanted, listing: undefined };
  return { wanted, listing: { entries, zxid, pzxid } };
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
