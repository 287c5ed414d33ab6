import type { Clock } from "../contract/index.ts";
import { invalidArgument } from "../errors/index.ts";
import { checkInteger, checkName } from "../runtime/index.ts";

/** One queue, several in strict order, or weights: a queue with weight 3 is asked first three times as often as one with weight 1. */
export type Queues = string | readonly string[] | Readonly<Record<string, number>>;

/** What a cluster tells a pool while it runs. For parts of this library: nothing of it is checked. */
export class PoolGuidance {
  /** The order in which the next fetch asks the queues. */
  readonly order: () => readonly string[];
  /** Whether this process has to keep the store in order (`maintain`), or another one does. */
  readonly needsUpkeep: () => boolean;

  constructor(order: () => readonly string[], needsUpkeep: () => boolean) {
    this.order = order;
    this.needsUpkeep = needsUpkeep;
  }
}

type Weighted = Readonly<{ name: string; weight: number }>;

/** The order in which each fetch asks the queues. @throws INVALID_ARGUMENT */
export function queueOrder(queues: Queues | PoolGuidance, clock: Clock): () => readonly string[] {
  if (queues instanceof PoolGuidance) return queues.order;
  if (typeof queues === "string") return fixed([checkName("queues", queues)]);
  if (isNames(queues)) return fixed(checkNames(queues));
  if (typeof queues !== "object" || queues === null)
    throw invalidArgument("queues", queues, "a name, an array of names, or an object of weights");
  const weighted = Object.entries(queues).map(([name, weight]) => ({
    name: checkName("queues", name),
    weight: checkInteger(`queues[${JSON.stringify(name)}]`, weight, 1, 1_000_000),
  }));
  checkNames(weighted.map(({ name }) => name));
  return weighted.length === 1 ? fixed(weighted.map(({ name }) => name)) : () => shuffled(weighted, clock);
}

function isNames(queues: Exclude<Queues, string>): queues is readonly string[] {
  return Array.isArray(queues);
}

function fixed(names: readonly string[]): () => readonly string[] {
  return () => names;
}

function checkNames(names: readonly string[]): readonly string[] {
  if (names.length === 0) throw invalidArgument("queues", names, "at least one queue");
  const twice = names.find((name, i) => names.indexOf(checkName("queues", name)) !== i);
  if (twice !== undefined) throw invalidArgument("queues", twice, "named once");
  return names;
}

/** A weighted shuffle: each place is drawn among the queues that are left, by weight. */
function shuffled(queues: readonly Weighted[], clock: Clock): readonly string[] {
  const left = [...queues];
  const order: string[] = [];
  while (left.length > 0) {
    let at = clock.random() * left.reduce((sum, { weight }) => sum + weight, 0);
    const found = left.findIndex(({ weight }) => (at -= weight) < 0);
    const [drawn] = left.splice(Math.max(0, found), 1);
    if (drawn !== undefined) order.push(drawn.name);
  }
  return order;
}
