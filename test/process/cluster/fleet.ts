import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { hasStopped } from "../../../scripts/servers/process-tree.ts";
import { merged, timeIn } from "../../stalls/spans.ts";
import { stallsUntilNow } from "../../stalls/stopwatch.ts";
import type { Place } from "./place.ts";

const FILE = fileURLToPath(new URL("actor.ts", import.meta.url));

export type Told = Readonly<{
  nodeId: string;
  /** The machine's monotonic clock, ms. */
  at: number;
  kind: string;
  term?: string;
  token?: string;
  code?: string;
  accepted?: boolean;
  believed?: boolean;
  node?: string;
  number?: string;
  data?: unknown;
  after?: string;
  upTo?: string;
  found?: "gap" | "message";
  since?: number;
  until?: number;
}>;

export type Part = "leads" | "locks" | "holds" | "hears";

/** How long messages are kept, and the cursor of a node that was there before. */
export type Hearing = Readonly<{ keepMs?: number; from?: string }>;

export const now = (): number => Number(process.hrtime.bigint()) / 1e6;

/** One look at what was told, of this process, is no longer than this: the rest is a stall. */
const MOST_LOOK_MS = 100;

/** Before the nodes open it: two that change a file to WAL at once are refused, whatever their time-out. */
function makeRegister(file: string): void {
  const register = new DatabaseSync(file);
  register.exec("PRAGMA journal_mode = WAL");
  register.exec("CREATE TABLE register (id INTEGER PRIMARY KEY, token INTEGER NOT NULL)");
  register.exec("CREATE TABLE log (n INTEGER PRIMARY KEY, token INTEGER NOT NULL, node TEXT NOT NULL)");
  register.exec("INSERT INTO register VALUES (1, 0)");
  register.close();
}

/** Nodes in processes of their own, and everything that they told. */
export class Fleet {
  /** What the nodes write to under their locks: a SQLite file that compares tokens. */
  readonly register: string;
  readonly told: Told[] = [];
  readonly #folder: string;
  readonly #children = new Map<string, ChildProcess>();
  readonly #ttlMs: number;

  readonly #place: Place;

  /** `placeIn`: where the cluster is; the folder lives as long as the fleet. */
  /** `finished`: of a test that runs beside others. */
  constructor(
    ttlMs: number,
    placeIn: (folder: string) => Place,
    finished: (end: () => Promise<void>) => void = onTestFinished,
  ) {
    this.#folder = mkdtempSync(join(tmpdir(), "jobferry-cluster-"));
    this.register = join(this.#folder, "register.db");
    makeRegister(this.register);
    this.#place = placeIn(this.#folder);
    this.#ttlMs = ttlMs;
    finished(() => this.end());
  }

  async start(nodeId: string, part: Part, { keepMs = 60_000, from = "" }: Hearing = {}): Promise<void> {
    const execArgv = ["--disable-warning=ExperimentalWarning"];
    const times = [String(this.#ttlMs), String(keepMs), from];
    const child = fork(FILE, [JSON.stringify(this.#place), this.register, nodeId, part, ...times], { execArgv });
    child.on("message", (message) => this.told.push(message as Told));
    this.#children.set(nodeId, child);
    await this.until(() => this.of(nodeId, "joined").length > 0, 20_000, `${nodeId} joins`);
  }

  signal(nodeId: string, signal: NodeJS.Signals): void {
    this.#children.get(nodeId)?.kill(signal);
  }

  ask(nodeId: string, message: string | object): void {
    // One that ends just now hears nothing.
    this.#children.get(nodeId)?.send(message, () => undefined);
  }

  /** Resolves when it stands still, which it does between two turns: a SIGCONT that came before would leave it so for good. */
  async freeze(nodeId: string): Promise<void> {
    const { pid } = this.#children.get(nodeId) ?? {};
    this.ask(nodeId, "freeze");
    await this.until(() => pid !== undefined && hasStopped(pid), 20_000, `${nodeId} stands still`);
  }

  of(nodeId: string, kind: string): readonly Told[] {
    return this.told.filter((one) => one.nodeId === nodeId && one.kind === kind);
  }

  /** The first that was told of this kind after that time, by another node. */
  async first(kind: string, after: number, not: string, withinMs: number): Promise<Told> {
    const found = (): Told | undefined =>
      this.told.find((one) => one.kind === kind && one.at >= after && one.nodeId !== not);
    await this.until(() => found() !== undefined, withinMs, `${kind} by another node than ${not}`);
    return found() ?? { nodeId: "", at: Infinity, kind };
  }

  /** Who leads, when one does and no node is without its session, as after a stall of the machine. */
  async leading(): Promise<Told> {
    await this.until(() => this.#leading() !== undefined, 10_000, "one leads and all are members");
    return this.#leading() ?? { nodeId: "", at: Infinity, kind: "elected" };
  }

  #leading(): Told | undefined {
    const elected = this.told.findLast(({ kind }) => kind === "elected");
    const isDeposed = this.of(elected?.nodeId ?? "", "deposed").some(({ at }) => at > (elected?.at ?? 0));
    const isMember = (nodeId: string): boolean =>
      this.told.findLast((one) => one.nodeId === nodeId && ["lost", "rejoined"].includes(one.kind))?.kind !== "lost";
    const connected = [...this.#children].filter(([, child]) => child.connected);
    return isDeposed || !connected.every(([nodeId]) => isMember(nodeId)) ? undefined : elected;
  }

  /**
   * The time between the two without that in which one of the nodes, or this process, was not run: who waits for a node waits for that, too. `without`: a node
   * that is killed or stopped, on whom nobody may have to wait.
   */
  async ran(from: number, until: number, without?: string): Promise<number> {
    await stallsUntilNow();
    const asked = [...this.#children].filter(([nodeId, child]) => nodeId !== without && child.connected);
    const looked = asked.map(([nodeId]) => this.of(nodeId, "looked").length);
    for (const [nodeId] of asked) this.ask(nodeId, "look");
    const answered = ([nodeId, child]: [string, ChildProcess], i: number): boolean =>
      !child.connected || this.of(nodeId, "looked").length > (looked[i] ?? 0);
    await this.until(() => asked.every(answered), 10_000, "all tell their stalls");
    const ofNodes = this.told.flatMap(({ kind, nodeId, since = 0, until: end = 0 }) =>
      kind === "stalled" && nodeId !== without ? [{ from: since, until: end }] : [],
    );
    return until - from - timeIn(merged([...(await stallsUntilNow()), ...ofNodes]), from, until);
  }

  /** Time in which this process was not run does not count. */
  async until(holds: () => boolean, withinMs: number, what: string): Promise<void> {
    let waited = 0;
    for (let looked = now(); !holds(); looked = now()) {
      if (waited > withinMs)
        throw new Error(`not within ${withinMs} ms: ${what}; told: ${JSON.stringify(this.told.slice(-20))}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
      waited += Math.min(now() - looked, MOST_LOOK_MS);
    }
  }

  async end(): Promise<void> {
    for (const child of this.#children.values()) {
      const isOver = child.exitCode !== null || child.signalCode !== null;
      child.kill("SIGKILL");
      if (!isOver) await once(child, "exit");
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
