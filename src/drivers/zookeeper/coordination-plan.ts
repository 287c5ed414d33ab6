/**
 * How a transaction of the contract becomes one of ZooKeeper's.
 *
 * A version of the contract is the zxid of a node's last change, and a transaction cannot check that: it can check how often a node's data changed
 * since it was made, which begins again when it is made anew. So whoever makes a key also raises its generation (one of 64, by the key's name), and
 * whoever relies on a key that it has read checks that generation: then it is still the same node, with the same owner, and the number of its
 * changes decides. Only new keys of the same generation disturb each other; then it is read and tried again. Keys that are used `once` need none of this.
 */
import type { Compare, CoordinationWrite } from "../../contract/index.ts";
import { ANY, type Acl, type WriteOp } from "./client/requests.ts";
import type { Layout } from "./coordination-layout.ts";
import type { Seen } from "./known-nodes.ts";

const NOTHING = new Uint8Array();

/**
 * `skips`: a delete found nothing to do, which is as true as what was read is new. `passing`: areas of keys that are used `once`, which may go with the
 * last of them.
 */
export type Plan = Readonly<{ ops: readonly WriteOp[]; skips: boolean; passing: ReadonlySet<string> }>;

/** Keys that need no generation: nobody relies on a version from before they were made. */
export function onceIn(compares: readonly Compare[], writes: readonly CoordinationWrite[]): ReadonlySet<string> {
  return new Set([
    ...compares.flatMap((compare) => ("version" in compare && compare.once === true ? [compare.key] : [])),
    ...writes.flatMap((write) => ("put" in write && write.once === true ? [write.put] : [])),
  ]);
}

/** The paths that a plan wants to have seen. */
export function pathsToSee(
  layout: Layout,
  compares: readonly Compare[],
  writes: readonly CoordinationWrite[],
): readonly string[] {
  const keys = new Set([
    ...compares.flatMap((compare) => ("key" in compare ? [compare.key] : [])),
    ...writes.map((write) => ("put" in write ? write.put : write.delete)),
  ]);
  const once = onceIn(compares, writes);
  const generations = new Set([...keys].filter((key) => !once.has(key)).map((key) => layout.generation(key)));
  const sessions = compares.flatMap((compare) => ("session" in compare ? [layout.session(compare.session)] : []));
  return [...generations, ...new Set(sessions), ...[...keys].map((key) => layout.node(key))];
}

/**
 * undefined: a compare does not hold. `owners`: the sessions of the writes, by their names. `newAreas`: they are made in the same step, as containers. What `seen`
 * does not have is not there; where that is wrong the transaction fails.
 */
export function planned(
  layout: Layout,
  acl: readonly Acl[],
  compares: readonly Compare[],
  writes: readonly CoordinationWrite[],
  owners: ReadonlyMap<string, bigint>,
  seen: Seen,
  newAreas: ReadonlySet<string>,
): Plan | undefined {
  const plan = new Planning(layout, acl, seen, onceIn(compares, writes));
  for (const area of newAreas) plan.makeArea(area);
  for (const compare of compares) if (!plan.compare(compare)) return undefined;
  for (const write of writes) {
    if ("delete" in write) plan.delete(write.delete);
    else plan.put(write.put, write.value, write.session === undefined ? 0n : (owners.get(write.session) ?? -1n));
  }
  const passing = new Set(
    writes.flatMap((write) => ("put" in write && write.once === true ? [layout.area(write.put)] : [])),
  );
  return { ops: plan.ops, skips: plan.skips, passing };
}

class Planning {
  skips = false;
  readonly #layout: Layout;
  readonly #acl: readonly Acl[];
  readonly #seen: Seen;
  readonly #once: ReadonlySet<string>;
  /** Of the compared keys: their number of changes, to be checked by the write, or alone. */
  readonly #checked = new Map<string, number>();
  /** Generations of keys that were read, and of keys that are made. */
  readonly #trusted = new Set<string>();
  readonly #raised = new Set<string>();
  readonly #sessions = new Set<string>();
  readonly #writes: WriteOp[] = [];

  constructor(layout: Layout, acl: readonly Acl[], seen: Seen, once: ReadonlySet<string>) {
    this.#once = once;
    this.#layout = layout;
    this.#acl = acl;
    this.#seen = seen;
  }

  get ops(): readonly WriteOp[] {
    const checks = [...this.#sessions].map((path): WriteOp => ({ op: "check", path, version: ANY }));
    for (const [path, version] of this.#checked) checks.push({ op: "check", path, version });
    const raises = [...this.#raised].map((path): WriteOp => ({
      op: "setData",
      path,
      data: NOTHING,
      version: this.#generationToCheck(path),
    }));
    const others = [...this.#trusted].filter((path) => !this.#raised.has(path));
    for (const path of others) checks.push({ op: "check", path, version: this.#generationToCheck(path) });
    return [...checks, ...this.#writes, ...raises];
  }

  compare(compare: Compare): boolean {
    if ("session" in compare) {
      const mark = this.#layout.session(compare.session);
      this.#sessions.add(mark);
      return this.#seen.has(mark);
    }
    const path = this.#layout.node(compare.key);
    const node = this.#seen.get(path);
    this.#trust(compare.key);
    if ("absent" in compare) return node === undefined;
    if (node === undefined || String(node.mzxid) !== compare.version) return false;
    this.#checked.set(path, node.version);
    return true;
  }

  makeArea(path: string): void {
    this.#writes.push({ op: "create", path, data: NOTHING, mode: "container", acl: this.#acl });
  }

  delete(key: string): void {
    const path = this.#layout.node(key);
    if (this.#seen.has(path)) this.#writes.push({ op: "delete", path, version: this.#takeCheck(path) });
    else this.skips = true;
  }

  /** The owner of a node cannot change: it is made anew. */
  put(key: string, value: Uint8Array, owner: bigint): void {
    const path = this.#layout.node(key);
    const node = this.#seen.get(path);
    if (node !== undefined && node.owner === owner) {
      this.#trust(key);
      this.#writes.push({ op: "setData", path, data: value, version: this.#takeCheck(path) });
      return;
    }
    if (node !== undefined) this.#writes.push({ op: "delete", path, version: this.#takeCheck(path) });
    this.#writes.push({
      op: "create",
      path,
      data: value,
      mode: owner === 0n ? "persistent" : "ephemeral",
      acl: this.#acl,
    });
    if (!this.#once.has(key)) this.#raised.add(this.#layout.generation(key));
  }

  /** Where nothing was read the making of the key is the proof. */
  #trust(key: string): void {
    if (this.#once.has(key)) return;
    const path = this.#layout.generation(key);
    if (this.#seen.has(path)) this.#trusted.add(path);
  }

  #takeCheck(path: string): number {
    const version = this.#checked.get(path) ?? ANY;
    this.#checked.delete(path);
    return version;
  }

  #generationToCheck(path: string): number {
    return this.#trusted.has(path) ? (this.#seen.get(path)?.version ?? ANY) : ANY;
  }
}
