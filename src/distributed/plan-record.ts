import type { SlotPlan } from "./slot-plan.ts";

/** A plan as it travels. (term, number) orders all plans; `validForMs` counts by the clock of whoever reads it. */
export type PlanRecord = Readonly<{
  term: bigint;
  number: number;
  validForMs: number;
  slots: SlotPlan;
}>;

export function planJson({ term, number, validForMs, slots }: PlanRecord): object {
  const nodes = [...slots].map(([id, queues]) => [id, [...queues]]);
  return { term: String(term), number, validForMs, nodes };
}

/** undefined for what is no plan: it is advice, and bad advice is no reason to stop. */
export function readPlan(value: Readonly<Record<string, unknown>>): PlanRecord | undefined {
  const { term, number, validForMs, nodes } = value;
  if (typeof term !== "string" || !/^\d+$/.test(term)) return undefined;
  if (!Number.isSafeInteger(number) || !(Number(validForMs) > 0) || !Array.isArray(nodes)) return undefined;
  const slots = new Map<string, ReadonlyMap<string, number>>();
  for (const node of nodes as readonly unknown[]) {
    if (!Array.isArray(node) || typeof node[0] !== "string" || !Array.isArray(node[1])) return undefined;
    const queues = (node[1] as readonly unknown[]).filter(isSlots);
    slots.set(node[0], new Map(queues));
  }
  return { term: BigInt(term), number: Number(number), validForMs: Number(validForMs), slots };
}

function isSlots(entry: unknown): entry is readonly [string, number] {
  return Array.isArray(entry) && typeof entry[0] === "string" && Number.isSafeInteger(entry[1]) && entry[1] > 0;
}

export function isNewer(plan: PlanRecord, than: PlanRecord | undefined): boolean {
  if (than === undefined) return true;
  return plan.term === than.term ? plan.number > than.number : plan.term > than.term;
}
