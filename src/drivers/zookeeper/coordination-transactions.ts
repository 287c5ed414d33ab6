import type { Clock, Compare, CoordinationWrite, TransactResult } from "../../contract/index.ts";
import { sleep } from "../../runtime/index.ts";
import type { KeptClient } from "./client/kept-client.ts";
import { failureIn, readReadResults, readWriteResults, type WriteResult } from "./client/replies.ts";
import { requests, type Acl, type WriteOp } from "./client/requests.ts";
import { answerError, Code, isKind, ZookeeperError } from "./client/zookeeper-error.ts";
import type { Layout } from "./coordination-layout.ts";
import { onceIn, pathsToSee, planned, type Plan } from "./coordination-plan.ts";
import type { ZookeeperSession } from "./coordination-session.ts";
import { KnownNodes, type SeenNode } from "./known-nodes.ts";
import { ListedNames } from "./listed-names.ts";
import { makeNode } from "./open-root.ts";

const NOTHING = new Uint8Array();
/** Of those that are disturbed again and again. */
const LONGEST_PAUSE_MS = 16;
const AT_ONCE = 3;

export type TransactionsPlan = Readonly<{
  client: KeptClient;
  layout: Layout;
  acl: readonly Acl[];
  clock: Clock;
  /** How long it goes on where others disturb it. */
  withinMs: number;
}>;

type Look = Readonly<{ seen: ReadonlyMap<string, SeenNode>; zxid: bigint }>;
type Outcome =
  | Readonly<{ kind: "done"; zxid: bigint; results: readonly WriteResult[] }>
  | Readonly<{ kind: "disturbed" | "ended" }>;

/** Plans and runs transactions, until one took effect or a compare does not hold. It reads what it does not know, and everything after it was disturbed. */
export class Transactions {
  readonly known: KnownNodes;
  readonly listed: ListedNames = new ListedNames();
  readonly #with: TransactionsPlan;

  constructor(plan: TransactionsPlan) {
    this.#with = plan;
    this.known = new KnownNodes(plan.layout);
  }

  async transact(
    compares: readonly Compare[],
    writes: readonly CoordinationWrite[],
    session: ZookeeperSession | undefined,
  ): Promise<TransactResult> {
    const { clock, layout, withinMs } = this.#with;
    const until = clock.monotonic() + withinMs;
    const owners = new Map(session === undefined ? [] : [[session.id, session.owner]]);
    // Copied: what the program does to a value meanwhile must not be written.
    const kept = writes.map((write) => ("put" in write ? { ...write, value: write.value.slice() } : write));
    const owned = kept.some((write) => "put" in write && write.session !== undefined) ? session : undefined;
    let fresh = false;
    for (let tries = 0; ; tries += 1) {
      const { plan, zxid } = await this.#plan(compares, kept, owners, fresh);
      // That a compare does not hold, or that there is nothing to delete, only the newest state tells.
      if ((plan === undefined || plan.skips) && !fresh) {
        fresh = true;
        continue;
      }
      if (plan === undefined) return { ok: false };
      const outcome = await this.#run(plan, owned, zxid);
      if (outcome.kind === "ended") return { ok: false };
      if (outcome.kind === "done") {
        this.#learn(plan, compares, kept, outcome);
        const version = String(outcome.zxid);
        return { ok: true, revision: version, versions: kept.map(() => version) };
      }
      if (clock.monotonic() >= until)
        throw new ZookeeperError("refused", `Other writers disturbed the transaction for ${withinMs} ms.`);
      if (tries >= AT_ONCE) await sleep(clock, Math.min(2 ** (tries - AT_ONCE), LONGEST_PAUSE_MS) * clock.random());
      for (const path of pathsToSee(layout, compares, kept)) this.known.forget(path);
      fresh = true;
    }
  }

  /** `fresh`: everything is read anew. */
  async #plan(
    compares: readonly Compare[],
    writes: readonly CoordinationWrite[],
    owners: ReadonlyMap<string, bigint>,
    fresh: boolean,
  ): Promise<Readonly<{ plan: Plan | undefined; zxid: bigint }>> {
    const { layout, acl } = this.#with;
    if (fresh) {
      const { seen, zxid } = await this.#look(pathsToSee(layout, compares, writes), true);
      return { plan: planned(layout, acl, compares, writes, owners, seen, new Set()), zxid };
    }
    const { seen, missing } = this.known.sight(compares, writes, onceIn(compares, writes));
    let zxid = 0n;
    if (missing.length > 0) {
      const look = await this.#look(missing, false);
      for (const [path, node] of look.seen) seen.set(path, node);
      zxid = look.zxid;
    }
    return { plan: planned(layout, acl, compares, writes, owners, seen, this.#newAreas(writes)), zxid };
  }

  /** Of names that nobody had before. */
  #newAreas(writes: readonly CoordinationWrite[]): ReadonlySet<string> {
    const { layout } = this.#with;
    const areas = writes.flatMap((write) =>
      "put" in write && write.once === true && write.unused === true ? [layout.area(write.put)] : [],
    );
    return new Set(areas.filter((area) => !this.known.hasArea(area)));
  }

  #learn(
    { ops }: Plan,
    compares: readonly Compare[],
    writes: readonly CoordinationWrite[],
    { zxid, results }: Extract<Outcome, { kind: "done" }>,
  ): void {
    const { layout } = this.#with;
    const once = onceIn(compares, writes);
    const after = new Map<string, SeenNode>();
    for (const [index, op] of ops.entries()) {
      const version = op.op === "check" ? op.version : (results[index]?.version ?? -1);
      const owner = op.op === "create" && op.mode === "ephemeral" ? -1n : 0n;
      if (version < 0) continue;
      after.set(op.path, { mzxid: zxid, version, owner });
      if (layout.isGeneration(op.path)) this.known.rememberGeneration(op.path, version);
      if (op.op === "create" && op.mode === "container") this.known.rememberArea(op.path);
    }
    for (const write of writes) {
      const key = "put" in write ? write.put : write.delete;
      const path = layout.node(key);
      const node = after.get(path);
      // Of those with a session it is not known here which one.
      if ("delete" in write) this.listed.deleted(path);
      if ("delete" in write || node === undefined || write.session !== undefined) this.known.forget(path);
      else this.known.remember(path, node, once.has(key) ? undefined : after.get(layout.generation(key))?.version);
    }
  }

  async #look(paths: readonly string[], fresh: boolean): Promise<Look> {
    const { client, layout } = this.#with;
    const read = requests.multiRead(paths.map((path) => ({ op: "getData", path })));
    const { body, zxid } = await (fresh ? client.callBoth(requests.sync(layout.root), read) : client.call(read));
    const seen = new Map<string, SeenNode>();
    for (const [index, result] of readReadResults(body).entries()) {
      const path = paths[index];
      if (path === undefined) continue;
      if (result.kind === "node") {
        seen.set(path, result.node.stat);
        if (layout.isGeneration(path)) this.known.rememberGeneration(path, result.node.stat.version);
      } else if (result.kind === "error" && result.code !== Code.noNode) throw answerError(result.code, path);
    }
    return { seen, zxid };
  }

  async #run({ ops, passing }: Plan, session: ZookeeperSession | undefined, seenAt: bigint): Promise<Outcome> {
    if (ops.length === 0) return { kind: "done", zxid: seenAt, results: [] };
    const request = requests.multi(ops);
    try {
      const { body, zxid } = await (session ?? this.#with.client).call(request);
      const results = readWriteResults(body);
      const failure = failureIn(results);
      if (failure === undefined) return { kind: "done", zxid, results };
      return await this.#judge(failure.code, ops[failure.index], passing);
    } catch (error) {
      if (session !== undefined && isKind(error, "expired")) return { kind: "ended" };
      throw error;
    }
  }

  /** What failed did nothing. */
  async #judge(code: number, op: WriteOp | undefined, passing: ReadonlySet<string>): Promise<Outcome> {
    const { client, layout, acl } = this.#with;
    switch (code) {
      case Code.noNode:
        if (op?.op === "create") {
          const area = parentOf(op.path);
          await makeNode(client, area, NOTHING, acl, passing.has(area) ? "container" : "persistent");
          this.known.rememberArea(area);
        }
        // The generations are there from the opening on.
        if (op?.op === "setData" && layout.isGeneration(op.path)) throw answerError(code, op.path);
        return { kind: "disturbed" };
      case Code.nodeExists:
        if (op?.op === "create" && op.mode === "container") this.known.rememberArea(op.path);
        return { kind: "disturbed" };
      case Code.badVersion:
        return { kind: "disturbed" };
      case Code.sessionExpired:
        return { kind: "ended" };
      default:
        throw answerError(code, op?.path);
    }
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
