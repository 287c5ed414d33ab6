import type { Clock } from "../contract/index.ts";
import { isNewer, type PlanRecord } from "./plan-record.ts";

/** What a queue without slots here counts as, so that it is asked first now and then. */
const NO_SLOT = 0.1;

/**
 * The order in which a node asks its queues. With a valid plan they are drawn by the slots that each has here; a node with idle slots takes from
 * any queue that it serves. One without slots here is drawn too, seldom: it would starve where those that have its slots are stuck, or are fewer
 * than the queues. Without a plan the node's own order holds, so a leader that is missing or hangs slows balancing and never work.
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
    return drawn(this.#queues, mine, this.#clock);
  };
}

/** Each place is drawn among the queues that are left. */
function drawn(queues: readonly string[], slots: ReadonlyMap<string, number>, clock: Clock): readonly string[] {
  const weightOf = (queue: string): number => slots.get(queue) ?? NO_SLOT;
  const left = [...queues];
  const order: string[] = [];
  while (left.length > 0) {
    const total = left.reduce((sum, queue) => sum + weightOf(queue), 0);
    let at = clock.random() * total;
    const found = left.findIndex((queue) => (at -= weightOf(queue)) < 0);
    order.push(...left.splice(Math.max(0, found), 1));
  }
  return order;
}
