import { createHash } from "node:crypto";
import type { Argument } from "./clients/connection.ts";

/** One part of the store: every key of it begins with `tag`, so that all lie in one slot of a cluster. */
export type Partition = Readonly<{
  number: number;
  tag: string;
  /** The key by which a cluster client finds the node. */
  route: string;
  /** A key that never exists. While a cluster moves the slot key by key, no node has all keys of a call that names it, and refuses the call as a whole. */
  absent: string;
}>;

/** A store that is not split has the tag `{prefix}`; the parts of one that is, `{prefix:0}` and so on. */
export function partitionsOf(prefix: string, count: number): readonly Partition[] {
  return Array.from({ length: count }, (_, number) => {
    const tag = count === 1 ? `{${prefix}}:` : `{${prefix}:${number}}:`;
    return { number, tag, route: `${tag}jobs`, absent: `${tag}absent` };
  });
}

/** Where the store says how it is laid out, whatever the number of its parts. */
export function rootOf(prefix: string): Partition {
  return { number: 0, tag: `{${prefix}}:`, route: `{${prefix}}:meta`, absent: `{${prefix}}:absent` };
}

/** A job lies where its id says, whatever its queue: so an id is known once in the whole store. */
export function partitionOfId(id: string, count: number): number {
  if (count === 1) return 0;
  return createHash("sha1").update(id).digest().readUInt32BE(0) % count;
}

/** An id as a field: text as UTF-8; what UTF-8 cannot hold (a lone surrogate) as its code units behind a byte that UTF-8 never has. */
export function idField(id: string): Argument {
  if (id.isWellFormed()) return id;
  return Buffer.concat([Buffer.of(0xff), Buffer.from(id, "utf16le")]);
}
