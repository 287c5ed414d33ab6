import type { Clock, Compare, CoordinationWrite, TransactResult } from "../../contract/index.ts";
import { sleep } from "../../runtime/index.ts";
import type { KeptClient } from "./client/kept-client.ts";
import { failureIn, readReadResults, readWriteResults, type Node } from "./client/replies.ts";
import { requests, type Acl, type WriteOp } from "./client/requests.ts";
import { answerError, Code, isKind, ZookeeperError } from "./client/zookeeper-error.ts";
import type { Layout } from "./coordination-layout.ts";
import { blindPlan, pathsToSee, planned, type Plan, type Seen } from "./coordination-plan.ts";
import type { ZookeeperSession } from "./coordination-session.ts";
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

type Look = Readonly<{ seen: Seen; zxid: bigint }>;
type Outcome = Readonly<{ kind: "done"; zxid: bigint }> | Readonly<{ kind: "disturbed" | "ended" }>;

/** Reads, plans and runs transactions, until one took effect or a compare does not hold. */
export class Transactions {
  readonly #with: TransactionsPlan;

  constructor(plan: TransactionsPlan) {
    this.#with = plan;
  }

  async transact(
    compares: readonly Compare[],
    writes: readonly CoordinationWrite[],
    session: ZookeeperSession | undefined,
  ): Promise<TransactResult> {
    const { clock, layout, acl, withinMs } = this.#with;
    const until = clock.monotonic() + withinMs;
    const owners = new Map(session === undefined ? [] : [[session.id, session.owner]]);
    // Copied: what the program does to a value meanwhile must not be written.
    const kept = writes.map((write) => ("put" in write ? { ...write, value: write.value.slice() } : write));
    const owned = kept.some((write) => "put" in write && write.session !== undefined) ? session : undefined;
    let plan = blindPlan(layout, acl, compares, kept, owners);
    let zxid = 0n;
    let fresh = false;
    for (let tries = 0; ; tries += 1) {
      if (plan === undefined) {
        const look = await this.#look(pathsToSee(layout, compares, kept), fresh);
        zxid = look.zxid;
        plan = planned(layout, acl, compares, kept, owners, look.seen);
        // That a compare does not hold, or that there is nothing to delete, only the newest state tells.
        if ((plan === undefined || plan.skips) && !fresh) {
          fresh = true;
          plan = undefined;
          continue;
        }
      }
      if (plan === undefined) return { ok: false };
      const outcome = await this.#run(plan, owned, zxid);
      if (outcome.kind === "ended") return { ok: false };
      if (outcome.kind === "done") {
        const version = String(outcome.zxid);
        return { ok: true, revision: version, versions: kept.map(() => version) };
      }
      if (clock.monotonic() >= until)
        throw new ZookeeperError("refused", `Other writers disturbed the transaction for ${withinMs} ms.`);
      if (tries >= AT_ONCE) await sleep(clock, Math.min(2 ** (tries - AT_ONCE), LONGEST_PAUSE_MS) * clock.random());
      plan = undefined;
      fresh = true;
    }
  }

  async #look(paths: readonly string[], fresh: boolean): Promise<Look> {
    const { client, layout } = this.#with;
    const read = requests.multiRead(paths.map((path) => ({ op: "getData", path })));
    const { body, zxid } = await (fresh ? client.callBoth(requests.sync(layout.root), read) : client.call(read));
    const seen = new Map<string, Node>();
    for (const [index, result] of readReadResults(body).entries()) {
      const path = paths[index];
      if (path === undefined) continue;
      if (result.kind === "node") seen.set(path, result.node);
      else if (result.kind === "error" && result.code !== Code.noNode) throw answerError(result.code, path);
    }
    return { seen, zxid };
  }

  async #run({ ops, passing }: Plan, session: ZookeeperSession | undefined, seenAt: bigint): Promise<Outcome> {
    if (ops.length === 0) return { kind: "done", zxid: seenAt };
    const request = requests.multi(ops);
    try {
      const { body, zxid } = await (session ?? this.#with.client).call(request);
      const failure = failureIn(readWriteResults(body));
      if (failure === undefined) return { kind: "done", zxid };
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
        }
        // The generations are there from the opening on.
        if (op?.op === "setData" && parentOf(op.path) === layout.generationParent) throw answerError(code, op.path);
        return { kind: "disturbed" };
      case Code.nodeExists:
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
