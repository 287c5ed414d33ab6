import type { Compare, CoordinationWrite } from "../../contract/index.ts";
import type { Layout } from "./coordination-layout.ts";

/** What a plan asks of a node: its last change, how often its data changed since it was made, and the session that it goes with. */
export type SeenNode = Readonly<{ mzxid: bigint; version: number; owner: bigint }>;
/** By their paths. */
export type Seen = ReadonlyMap<string, SeenNode>;

/** `generation`: the version of the key's generation at the moment when the node was so; undefined when nobody looked. */
type Known = Readonly<{ node: SeenNode; generation: number | undefined }>;
/** `missing`: paths that have to be looked at. */
type Sight = Readonly<{ seen: Map<string, SeenNode>; missing: readonly string[] }>;

/** Of nodes: a few hundred bytes each. */
const MOST_NODES = 8_192;
const MOST_AREAS = 1_024;
/** A node that is thought to be there, of which nothing else counts. */
const SOMETHING: SeenNode = { mzxid: 0n, version: 0, owner: 0n };

/**
 * Nodes as this client read or wrote them last, so that most transactions need not look before. They may have changed since: what a plan relies on is checked
 * in its transaction, and where that fails it looks.
 */
export class KnownNodes {
  readonly #layout: Layout;
  readonly #nodes = new Map<string, Known>();
  readonly #areas = new Set<string>();
  /** The newest version that was seen of each generation. */
  readonly #generations = new Map<string, number>();

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  remember(path: string, { mzxid, version, owner }: SeenNode, generation?: number): void {
    const before = this.#nodes.get(path);
    // The same node as at the moment when its generation was known.
    const known = before?.node.mzxid === mzxid ? before.generation : undefined;
    this.#nodes.delete(path);
    const [oldest] = this.#nodes.keys();
    if (this.#nodes.size >= MOST_NODES && oldest !== undefined) this.#nodes.delete(oldest);
    this.#nodes.set(path, { node: { mzxid, version, owner }, generation: generation ?? known });
  }

  rememberGeneration(path: string, version: number): void {
    this.#generations.set(path, Math.max(version, this.#generations.get(path) ?? 0));
  }

  forget(path: string): void {
    this.#nodes.delete(path);
  }

  rememberArea(path: string): void {
    const [oldest] = this.#areas;
    if (this.#areas.size >= MOST_AREAS && oldest !== undefined) this.#areas.delete(oldest);
    this.#areas.add(path);
  }

  hasArea(path: string): boolean {
    return this.#areas.has(path);
  }

  /** What a transaction needs to know, as far as it is known; `once`: keys that rely on no generation. */
  sight(compares: readonly Compare[], writes: readonly CoordinationWrite[], once: ReadonlySet<string>): Sight {
    const seen = new Map<string, SeenNode>();
    const missing = new Set<string>();
    const relying: string[] = [];
    const put = new Set(writes.flatMap((write) => ("put" in write ? [write.put] : [])));
    const compared = new Set<string>();
    for (const compare of compares) {
      // The check in the transaction tells.
      if ("session" in compare) seen.set(this.#layout.session(compare.session), SOMETHING);
      else {
        compared.add(compare.key);
        // That it is made proves that it was not there.
        if ("absent" in compare && put.has(compare.key)) continue;
        const known = this.#nodes.get(this.#layout.node(compare.key));
        const isIt = "version" in compare && known !== undefined && String(known.node.mzxid) === compare.version;
        this.#see(compare.key, isIt ? known : undefined, once, { seen, missing, relying });
      }
    }
    for (const write of writes) {
      const key = "put" in write ? write.put : write.delete;
      if (compared.has(key) || ("put" in write && write.unused === true)) continue;
      const known = this.#nodes.get(this.#layout.node(key));
      if ("put" in write) this.#see(key, known, once, { seen, missing, relying });
      else seen.set(this.#layout.node(key), known?.node ?? SOMETHING);
    }
    return { seen, missing: this.#withGenerations(relying, seen, missing) };
  }

  #see(
    key: string,
    known: Known | undefined,
    once: ReadonlySet<string>,
    { seen, missing, relying }: Readonly<{ seen: Map<string, SeenNode>; missing: Set<string>; relying: string[] }>,
  ): void {
    const path = this.#layout.node(key);
    if (!once.has(key)) relying.push(key);
    if (known === undefined) missing.add(path);
    else seen.set(path, known.node);
  }

  /** Keys that rely on generations, and these, must have been so at one moment: else all of them are looked at together. */
  #withGenerations(
    relying: readonly string[],
    seen: Map<string, SeenNode>,
    missing: ReadonlySet<string>,
  ): readonly string[] {
    const generations = new Map<string, number>();
    const isOneMoment = relying.every((key) => {
      const [path, of] = [this.#layout.node(key), this.#layout.generation(key)];
      const { generation } = this.#nodes.get(path) ?? {};
      // Another key of the generation was made since: the check would fail.
      const isNewest = generation !== undefined && generation === this.#generations.get(of);
      if (missing.has(path) || !isNewest) return false;
      generations.set(of, generation);
      return true;
    });
    if (isOneMoment) {
      for (const [path, version] of generations) seen.set(path, { ...SOMETHING, version });
      return [...missing];
    }
    const paths = relying.flatMap((key) => [this.#layout.generation(key), this.#layout.node(key)]);
    for (const path of paths) seen.delete(path);
    return [...new Set([...paths, ...missing])];
  }
}
