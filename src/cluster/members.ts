import type { CoordinationEntry } from "../contract/index.ts";
import { nodeRecordOf, type NodeRecord } from "./registration.ts";

/** A living node, as it told itself. */
export type ClusterNode = Readonly<{
  id: string;
  /** Epoch milliseconds by the node's own clock. */
  startedAt: number;
  /** What it was started with. */
  info: unknown;
  /** What it told with `setLoad` last; null before. */
  load: unknown;
  /** Whether it is this one. */
  self: boolean;
}>;

export function nodesOf(entries: Iterable<CoordinationEntry>, self: string): readonly ClusterNode[] {
  return [...entries]
    .map(nodeRecordOf)
    .filter((record) => record !== undefined)
    .map((record) => nodeOf(record, self));
}

function nodeOf({ id, startedAt, info, load }: NodeRecord, self: string): ClusterNode {
  return { id, startedAt, info, load, self: id === self };
}

/** Tells who came and who went, from one state of the store to the next. A node that came back with a new session within one step did neither. */
export class Members {
  readonly #self: string;
  #known: ReadonlyMap<string, ClusterNode> = new Map();

  constructor(self: string) {
    this.#self = self;
  }

  next(state: ReadonlyMap<string, CoordinationEntry>): Readonly<{
    joined: readonly ClusterNode[];
    left: readonly ClusterNode[];
  }> {
    const now = new Map(nodesOf(state.values(), this.#self).map((node) => [node.id, node]));
    const joined = [...now.values()].filter(({ id }) => !this.#known.has(id));
    const left = [...this.#known.values()].filter(({ id }) => !now.has(id));
    this.#known = now;
    return { joined, left };
  }
}
