import {
  type Cluster,
  type ClusterInside,
  type ClusterNode,
  insideOf,
  type Leader,
  leaderOf,
  linesOf,
  type LineState,
  nodesOf,
} from "../cluster/index.ts";
import type { CoordinationEntry } from "../contract/index.ts";
import { JobferryError } from "../errors/index.ts";
import { readMetrics } from "./metrics.ts";
import type { MetricsSample } from "./metrics-sample.ts";
import { readPlan } from "./plan-record.ts";
import { PLAN } from "./planner.ts";

/** The newest plan of slots. It counts for `validForMs` from when a node read it. */
export type ObservedPlan = Readonly<{
  /** Of the leader that made it. */
  term: bigint;
  number: number;
  validForMs: number;
  /** Whether that one still leads; else the plan runs out, and nodes work by their own options. */
  isCurrent: boolean;
  /** Slots by node, then by queue. */
  slots: Readonly<Record<string, Readonly<Record<string, number>>>>;
}>;

/** Looks at a cluster from outside: no node, no session, nothing of it is seen by others, but for what it broadcasts. */
export class ClusterObserver implements AsyncDisposable {
  readonly #inside: ClusterInside;
  #closing: Promise<void> | undefined;

  private constructor(inside: ClusterInside) {
    this.#inside = inside;
  }

  /** Takes a cluster that was not started, and never will be. */
  static async open(cluster: Cluster): Promise<ClusterObserver> {
    const inside = insideOf(cluster);
    const { link, settings } = inside;
    try {
      await link.ask("Opening the store", () => link.store.open({ clock: settings.clock }));
    } catch (error) {
      await link.store.close().catch(() => undefined);
      throw error;
    }
    return new ClusterObserver(inside);
  }

  /** The nodes that live. */
  async nodes(): Promise<readonly ClusterNode[]> {
    return nodesOf(await this.#list(this.#inside.settings.keys.nodes), "");
  }

  /** undefined while there is none. */
  async leader(): Promise<Leader | undefined> {
    const entries = await this.#list(this.#inside.settings.keys.election);
    return leaderOf(new Map(entries.map((entry) => [entry.key, entry])));
  }

  /** The locks that somebody holds, by name. */
  async locks(): Promise<readonly LineState[]> {
    const { keys } = this.#inside.settings;
    return linesOf(await this.#list(keys.locks), keys);
  }

  /** undefined when no leader ever made one. */
  async plan(): Promise<ObservedPlan | undefined> {
    this.#check();
    const found = await this.#inside.board.read(PLAN);
    const plan = found === undefined ? undefined : readPlan(found);
    if (plan === undefined) return undefined;
    const { term, number, validForMs } = plan;
    const slots = Object.fromEntries([...plan.slots].map(([node, queues]) => [node, Object.fromEntries(queues)]));
    const isCurrent = (await this.leader())?.term === term;
    return { term, number, validForMs, isCurrent, slots };
  }

  /** What the leaders wrote down about the queues, oldest first. */
  metrics(): Promise<readonly MetricsSample[]> {
    this.#check();
    return readMetrics(this.#inside.board);
  }

  /** Sends JSON to all who subscribed to the topic. Resolves to its number when the store keeps it. */
  async broadcast(topic: string, data: unknown): Promise<bigint> {
    this.#check();
    return this.#inside.bus.broadcast(topic, data);
  }

  /** Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#inside.bus.stop(closed());
    await this.#inside.link.store.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #list(prefix: string): Promise<readonly CoordinationEntry[]> {
    this.#check();
    const { link } = this.#inside;
    return (await link.ask("Looking at the cluster", () => link.store.list(prefix))).entries;
  }

  #check(): void {
    if (this.#closing !== undefined) throw closed();
  }
}

function closed(): JobferryError {
  return new JobferryError("CLOSED", "The observer was closed.");
}
