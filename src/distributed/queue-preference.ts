import type { Clock } from "../contract/index.ts";
import { isNewer, type PlanRecord } from "./plan-record.ts";

/**
 * The order in which a node asks its queues. With a valid plan those come first that have slots here, drawn by how many, and then the rest: a
 * node with idle slots takes from any queue that it serves. Without one the node's own order holds, so a leader that is missing or hangs
 * slows balancing and never work.
 */
export class QueuePreference {
  readonly #nodeId: string;
  readonly #queues: readonly string[];
  readonly #own: () => readonly string[];
  readonly #clock: Clock;
  #plan: PlanRecord | undefined;
  #validUntil = 0;

  constructor(nodeId: string, queues: readonly string[], own: () => readonly string[], clock: Clock) {
    this.#nodeId = nodeId;
    this.#queues = queues;
    this.#own = own;
    this.#clock = clock;
  }

  /** A plan of a lower term, or a lower number of the same, is ignored. Its time counts from now, by this node's monotonic clock. */
  take(plan: PlanRecord): void {
    if (!isNewer(plan, this.#plan)) return;
    this.#plan = plan;
    this.#validUntil = this.#clock.monotonic() + plan.validForMs;
  }

  /** undefined when there is none that counts now. */
  get plan(): PlanRecord | undefined {
    return this.#clock.monotonic() < this.#validUntil ? this.#plan : undefined;
  }

  readonly order = (): readonly string[] => {
    const mine = this.plan?.slots.get(this.#nodeId);
    if (mine === undefined || mine.size === 0) return this.#own();
    const planned = this.#queues.filter((queue) => mine.has(queue));
    const first = drawn(planned, mine, this.#clock);
    return [...first, ...this.#own().filter((queue) => !mine.has(queue))];
  };
}

/** Each place is drawn among the queues that are left, by their slots. */
function drawn(queues: readonly string[], slots: ReadonlyMap<string, number>, clock: Clock): readonly string[] {
  const left = [...queues];
  const order: string[] = [];
  while (left.length > 0) {
    const total = left.reduce((sum, queue) => sum + (slots.get(queue) ?? 0), 0);
    let at = clock.random() * total;
    const found = left.findIndex((queue) => (at -= slots.get(queue) ?? 0) < 0);
    order.push(...left.splice(Math.max(0, found), 1));
  }
  return order;
}
