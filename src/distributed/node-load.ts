import type { ClusterNode } from "../cluster/index.ts";
import type { PlanNode } from "./slot-plan.ts";

/** What a node tells of itself as its load. `weights` has only those that are not 1. */
export function loadOf(slots: number, weights: ReadonlyMap<string, number>): object {
  const heavy = [...weights].filter(([, weight]) => weight !== 1);
  return { slots, queues: [...weights.keys()], ...(heavy.length === 0 ? {} : { weights: Object.fromEntries(heavy) }) };
}

/** undefined for a node that runs no jobs. Anybody may call `setLoad`, so nothing of it is trusted. */
export function offerOf({ id, load }: ClusterNode): PlanNode | undefined {
  const { slots, queues } = Object(load) as Readonly<{ slots?: unknown; queues?: unknown }>;
  if (!Number.isFinite(slots) || !(Number(slots) >= 1) || !Array.isArray(queues)) return undefined;
  return { id, slots: Math.floor(Number(slots)), queues: queues.filter((queue) => typeof queue === "string") };
}

/** The highest that any node was configured with: the leader need not serve a queue to plan for it, and every leader plans the same. */
export function weightsOf(nodes: readonly ClusterNode[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const { load } of nodes) {
    const { weights } = Object(load) as Readonly<{ weights?: unknown }>;
    for (const [queue, weight] of Object.entries(Object(weights) as object)) {
      if (Number.isFinite(weight) && weight >= 1) found.set(queue, Math.max(found.get(queue) ?? 1, Number(weight)));
    }
  }
  return found;
}
