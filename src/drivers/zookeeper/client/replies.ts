import type { JuteReader } from "./jute.ts";
import type { Acl } from "./requests.ts";
import { Code } from "./zookeeper-error.ts";

export type Stat = Readonly<{
  /** Of the transaction that made it, and of the last that changed its data. */
  czxid: bigint;
  mzxid: bigint;
  /** How often its data changed since it was made: after it is made anew it begins again. */
  version: number;
  /** The session that it goes with; 0n: none. Containers and nodes with a time to live have special ones. */
  owner: bigint;
  /** Of the last transaction in which a child came or went. */
  pzxid: bigint;
}>;

export type Node = Readonly<{ data: Buffer; stat: Stat }>;

export type WatchedEvent = Readonly<{ type: number; path: string }>;

export function readStat(body: JuteReader): Stat {
  const czxid = body.long();
  const mzxid = body.long();
  body.long();
  body.long();
  const version = body.int();
  body.int();
  body.int();
  const owner = body.long();
  body.int();
  body.int();
  return { czxid, mzxid, version, owner, pzxid: body.long() };
}

export function readNode(body: JuteReader): Node {
  const data = body.bytes();
  return { data, stat: readStat(body) };
}

/** Who may do what: the stat of the node is left. */
export function readAcl(body: JuteReader): readonly Acl[] {
  const count = body.int();
  return Array.from({ length: Math.max(0, count) }, () => ({
    permissions: body.int(),
    scheme: body.text(),
    id: body.text(),
  }));
}

export function readNames(body: JuteReader): readonly string[] {
  const count = body.int();
  return Array.from({ length: Math.max(0, count) }, () => body.text());
}

/** `code`: 0, or why the transaction did nothing. `version`: of the node after it, where there is one. */
export type WriteResult = Readonly<{ code: number; version: number | undefined }>;

/** One for each operation. The header of a transaction that failed says 0, too. */
export function readWriteResults(body: JuteReader): readonly WriteResult[] {
  const results: WriteResult[] = [];
  for (let head = resultHead(body); head !== undefined; head = resultHead(body)) {
    if (head === -1) {
      results.push({ code: body.int(), version: undefined });
      continue;
    }
    // What comes behind depends on the operation: a path and a stat, a stat, or nothing.
    if (head === 1) body.text();
    const isMade = head === 15 || head === 19 || head === 21;
    if (isMade) body.text();
    const version = isMade || head === 5 ? readStat(body).version : undefined;
    results.push({ code: 0, version });
  }
  return results;
}

/** Of a transaction that failed: which operation, and why. */
export function failureIn(results: readonly WriteResult[]): Readonly<{ index: number; code: number }> | undefined {
  const index = results.findIndex(({ code }) => code !== 0 && code !== Code.runtimeInconsistency);
  const failed = results[index];
  if (failed !== undefined) return { index, code: failed.code };
  const other = results.find(({ code }) => code !== 0);
  return other === undefined ? undefined : { index: 0, code: other.code };
}

export type ReadResult =
  | Readonly<{ kind: "node"; node: Node }>
  | Readonly<{ kind: "names"; names: readonly string[] }>
  | Readonly<{ kind: "error"; code: number }>;

export function readReadResults(body: JuteReader): readonly ReadResult[] {
  const results: ReadResult[] = [];
  for (let head = resultHead(body); head !== undefined; head = resultHead(body)) {
    if (head === -1) results.push({ kind: "error", code: body.int() });
    else if (head === 8) results.push({ kind: "names", names: readNames(body) });
    else results.push({ kind: "node", node: readNode(body) });
  }
  return results;
}

/** The kind of the next result, -1 for an error; undefined behind the last. */
function resultHead(body: JuteReader): number | undefined {
  const kind = body.int();
  const isEnd = body.bool();
  body.int();
  return isEnd ? undefined : kind;
}
