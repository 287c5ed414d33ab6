import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
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
}>;

export type Part = "leads" | "locks" | "holds" | "hears";

export const now = (): number => Number(process.hrtime.bigint()) / 1e6;

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
    this.#place = placeIn(this.#folder);
    this.#ttlMs = ttlMs;
    finished(() => this.end());
  }

  async start(nodeId: string, part: Part): Promise<void> {
    const execArgv = ["--disable-warning=ExperimentalWarning"];
    const child = fork(FILE, [JSON.stringify(this.#place), this.register, nodeId, part, String(this.#ttlMs)], {
      execArgv,
    });
    child.on("message", (message) => this.told.push(message as Told));
    this.#children.set(nodeId, child);
    await this.until(() => this.of(nodeId, "joined").length > 0, 20_000, `${nodeId} joins`);
  }

  signal(nodeId: string, signal: NodeJS.Signals): void {
    this.#children.get(nodeId)?.kill(signal);
  }

  ask(nodeId: string, message: string | object): void {
    this.#children.get(nodeId)?.send(message);
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

  async until(holds: () => boolean, withinMs: number, what: string): Promise<void> {
    const end = now() + withinMs;
    while (!holds()) {
      if (now() > end)
        throw new Error(`not within ${withinMs} ms: ${what}; told: ${JSON.stringify(this.told.slice(-20))}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
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
