/** What a node offers: how many jobs it runs at once, and of which queues. */
export type PlanNode = Readonly<{ id: string; slots: number; queues: readonly string[] }>;

export type Demand = Readonly<{ queue: string; weight: number; pending: number }>;

/**
 * `balanced`: every queue the same. `weighted`: by the weights that were configured. `auto`: by those weights, and by how much waits in each: a
 * queue with all of the backlog gets as much more as there are queues.
 */
export type Strategy = "balanced" | "weighted" | "auto";

/** Slots by node, then by queue. */
export type SlotPlan = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** Larger clusters get theirs in portions: a leader must not be busy with its plan for seconds. */
const MOST_STEPS = 5_000;

type Share = { readonly queue: string; readonly weight: number; given: number };

/**
 * Divides the slots of all nodes among the queues. Pure, and the same for the same input, so two leaders at once plan the same. Every queue
 * that a node serves gets a slot first, those with the fewest nodes before others; then each slot goes to the queue that has the least for
 * its weight among those that the freest node serves.
 */
export function planSlots(nodes: readonly PlanNode[], demands: readonly Demand[], strategy: Strategy): SlotPlan {
  const shares = new Map(sharesOf(demands, strategy).map((share) => [share.queue, share]));
  const free = new Map(nodes.map(({ id, slots }) => [id, slots]));
  const plan = new Map<string, Map<string, number>>(nodes.map(({ id }) => [id, new Map()]));
  const serving = (queue: string): readonly PlanNode[] => nodes.filter(({ queues }) => queues.includes(queue));
  const give = (node: PlanNode, share: Share, most: number): void => {
    const left = free.get(node.id) ?? 0;
    const count = Math.min(most, left);
    const slots = plan.get(node.id);
    slots?.set(share.queue, (slots.get(share.queue) ?? 0) + count);
    share.given += count;
    free.set(node.id, left - count);
  };

  const scarceFirst = [...shares.values()]
    .map((share) => ({ share, servers: serving(share.queue) }))
    .toSorted((a, b) => a.servers.length - b.servers.length || compareText(a.share.queue, b.share.queue));
  for (const { share, servers } of scarceFirst) {
    const node = freest(servers, free);
    if (node !== undefined) give(node, share, 1);
  }
  const portion = Math.ceil(nodes.reduce((sum, { slots }) => sum + slots, 0) / MOST_STEPS);
  for (let node = freest(nodes, free); node !== undefined; node = freest(nodes, free)) {
    const share = neediest(node, shares);
    if (share === undefined) free.set(node.id, 0);
    else give(node, share, portion);
  }
  return plan;
}

function sharesOf(demands: readonly Demand[], strategy: Strategy): readonly Share[] {
  const backlog = demands.reduce((sum, { pending }) => sum + pending, 0);
  const weightOf = ({ weight, pending }: Demand): number => {
    if (strategy === "balanced") return 1;
    return strategy === "weighted" || backlog === 0 ? weight : weight * (1 + (demands.length * pending) / backlog);
  };
  return demands.map((demand) => ({ queue: demand.queue, weight: weightOf(demand), given: 0 }));
}

function freest(nodes: readonly PlanNode[], free: ReadonlyMap<string, number>): PlanNode | undefined {
  let best: PlanNode | undefined;
  let most = 0;
  for (const node of nodes) {
    const slots = free.get(node.id) ?? 0;
    if (slots > most || (slots === most && slots > 0 && best !== undefined && node.id < best.id)) {
      best = node;
      most = slots;
    }
  }
  return best;
}

function neediest({ queues }: PlanNode, shares: ReadonlyMap<string, Share>): Share | undefined {
  let best: Share | undefined;
  for (const queue of queues) {
    const share = shares.get(queue);
    if (share === undefined) continue;
    const less = best === undefined ? -1 : share.given / share.weight - best.given / best.weight;
    if (less < 0 || (less === 0 && best !== undefined && share.queue < best.queue)) best = share;
  }
  return best;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
