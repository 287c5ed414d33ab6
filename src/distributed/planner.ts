import type { Board, Cluster, ClusterNode, Leadership } from "../cluster/index.ts";
import type { Queue } from "../core/index.ts";
import { offerOf, weightsOf } from "./node-load.ts";
import { planJson } from "./plan-record.ts";
import { planSlots, type Demand, type PlanNode, type Strategy } from "./slot-plan.ts";

export const PLAN = "slots";

export type PlannerParts = Readonly<{
  cluster: Cluster;
  board: Board;
  queue: Queue;
  strategy: Strategy;
  validForMs: number;
}>;

/** The leader's plan of slots. Two at once plan the same, because all that counts is what the nodes tell; and the store takes only the newer's. */
export class Planner {
  readonly #parts: PlannerParts;
  #term = 0n;
  #number = 0;

  constructor(parts: PlannerParts) {
    this.#parts = parts;
  }

  async plan(leadership: Leadership): Promise<void> {
    const { board, strategy, cluster, validForMs } = this.#parts;
    const { term } = leadership;
    const all = await cluster.nodes();
    const nodes = all.map(offerOf).filter((node) => node !== undefined);
    const slots = planSlots(nodes, await this.#demands(all, nodes), strategy);
    if (this.#term !== term) [this.#term, this.#number] = [term, 0];
    this.#number += 1;
    await board.put(PLAN, planJson({ term, number: this.#number, validForMs, slots }), leadership);
  }

  /** Only what some node serves; a backend that cannot count has no backlog here. */
  async #demands(all: readonly ClusterNode[], nodes: readonly PlanNode[]): Promise<readonly Demand[]> {
    const queues = [...new Set(nodes.flatMap((node) => node.queues))].toSorted();
    const { queue, strategy } = this.#parts;
    const weights = weightsOf(all);
    return Promise.all(
      queues.map(async (name) => {
        const pending = strategy === "auto" ? ((await queue.getStats(name)).pendingJobs ?? 0) : 0;
        return { queue: name, weight: weights.get(name) ?? 1, pending };
      }),
    );
  }
}
