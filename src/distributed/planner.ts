import type { Clock, Logger, Timer } from "../contract/index.ts";
import type { Board, Cluster, ClusterNode, Leadership } from "../cluster/index.ts";
import type { Queue } from "../core/index.ts";
import { planJson } from "./plan-record.ts";
import { planSlots, type Demand, type PlanNode, type Strategy } from "./slot-plan.ts";

export const PLAN = "slots";

export type PlannerParts = Readonly<{
  cluster: Cluster;
  board: Board;
  queue: Queue;
  clock: Clock;
  logger: Logger;
  strategy: Strategy;
  /** Weights of the queues that this node knows; others have 1. */
  weights: ReadonlyMap<string, number>;
  everyMs: number;
}>;

/** The leader's duty: it plans again and again for as long as it leads. Two at once plan the same, and the store takes only the newer's. */
export class Planner {
  readonly #parts: PlannerParts;
  #timer: Timer | undefined;
  #leadership: Leadership | undefined;
  #number = 0;
  #running: Promise<void> = Promise.resolve();

  constructor(parts: PlannerParts) {
    this.#parts = parts;
  }

  lead(leadership: Leadership): void {
    this.#leadership = leadership;
    this.#number = 0;
    this.#arm(0);
  }

  async rest(): Promise<void> {
    this.#leadership = undefined;
    this.#timer?.cancel();
    await this.#running;
  }

  #arm(delayMs: number): void {
    this.#timer?.cancel();
    const plan = (): void => {
      this.#running = this.#plan();
    };
    this.#timer = this.#parts.clock.timer(delayMs, plan, { keepAlive: false });
  }

  async #plan(): Promise<void> {
    const leadership = this.#leadership;
    const { board, logger, everyMs, strategy, cluster } = this.#parts;
    if (leadership === undefined) return;
    try {
      const nodes = (await cluster.nodes()).map(offerOf).filter((node) => node !== undefined);
      const slots = planSlots(nodes, await this.#demands(nodes), strategy);
      this.#number += 1;
      const record = { term: leadership.term, number: this.#number, validForMs: 3 * everyMs, slots };
      if (this.#leadership === leadership) await board.put(PLAN, planJson(record), leadership);
    } catch (error) {
      // Without a plan the nodes work by their own options.
      if (this.#leadership === leadership) logger.warn({ err: error }, "The plan of slots could not be made.");
    }
    if (this.#leadership === leadership) this.#arm(everyMs);
  }

  /** Only what some node serves; a backend that cannot count has no backlog here. */
  async #demands(nodes: readonly PlanNode[]): Promise<readonly Demand[]> {
    const queues = [...new Set(nodes.flatMap((node) => node.queues))].toSorted();
    const { queue, weights, strategy } = this.#parts;
    return Promise.all(
      queues.map(async (name) => {
        const pending = strategy === "auto" ? ((await queue.getStats(name)).pendingJobs ?? 0) : 0;
        return { queue: name, weight: weights.get(name) ?? 1, pending };
      }),
    );
  }
}

/** What a node told of itself as load; undefined for one that runs no jobs. */
function offerOf({ id, load }: ClusterNode): PlanNode | undefined {
  const { slots, queues } = Object(load) as Readonly<{ slots?: unknown; queues?: unknown }>;
  if (typeof slots !== "number" || !(slots > 0) || !Array.isArray(queues)) return undefined;
  return { id, slots, queues: queues.filter((queue) => typeof queue === "string") };
}
