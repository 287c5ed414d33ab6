import type { ExtendItem, ExtendResult, FinishItem, FinishResult, Reservation } from "../../contract/index.ts";
import type { Kept } from "../shared/retention.ts";
import { type Column, binaryArray } from "./arrays.ts";
import { COMPLETED, FAILED, PENDING } from "./schema.ts";

/** Added to the goal of the function `finish`. */
const THREW = 8;
const REFUND = 16;
const LOSS = 32;

type Ends = Readonly<{ done: number[]; drop: number[]; others: FinishItem[] }>;

/** The parameters of the function `finish`. Of a token that comes twice only the first counts. */
export function finishValues(items: readonly FinishItem[], kept: Kept): unknown[] {
  const { done, drop, others } = sorted(items, kept);
  const columns: readonly Column[] = [
    { type: "int8", values: done.toSorted(ascending) },
    { type: "int8", values: drop },
    { type: "int8", values: others.map(({ reservation }) => tokenOf(reservation)) },
    { type: "int4", values: others.map(kindOf) },
    { type: "float8", values: others.map((item) => (item.outcome === "release" ? item.delayMs : 0)) },
    { type: "text", values: others.map(failureText) },
    { type: "bytea", values: others.map((item) => (item.outcome === "done" ? (item.result ?? null) : null)) },
  ];
  return columns.map(binaryArray);
}

function sorted(items: readonly FinishItem[], kept: Kept): Ends {
  const ends: Ends = { done: [], drop: [], others: [] };
  const seen = new Set<number>();
  for (const item of items) {
    const token = tokenOf(item.reservation);
    if (seen.has(token) || token === NO_TOKEN) continue;
    seen.add(token);
    if (item.outcome === "done" && !kept.completed) ends.done.push(token);
    else if (item.outcome === "fail" && !kept.failed) ends.drop.push(token);
    else ends.others.push(item);
  }
  return ends;
}

const ascending = (a: number, b: number): number => a - b;
const NO_TOKEN = -1;

/** Of another backend's reservation none, which finds nothing. */
function tokenOf({ token }: Reservation): number {
  return typeof token === "number" && Number.isSafeInteger(token) && token > 0 ? token : NO_TOKEN;
}

function kindOf(item: FinishItem): number {
  if (item.outcome === "done") return COMPLETED;
  const threw = item.threw === true ? THREW : 0;
  if (item.outcome === "fail") return FAILED + threw;
  return PENDING + threw + (item.refund === true ? REFUND : 0) + (item.loss === true ? LOSS : 0);
}

function failureText(item: FinishItem): string | null {
  if (item.outcome === "done" || item.failure === undefined) return null;
  return JSON.stringify(item.failure);
}

/** `died`: items that the store failed, because theirs was the last loss. */
export type Finished = Readonly<{ results: readonly FinishResult[]; died: readonly FinishItem[] }>;

export function finishResults(items: readonly FinishItem[], answer: string | null | undefined): Finished {
  const held =
    typeof answer === "string" ? new Map(JSON.parse(answer) as readonly (readonly [number, number])[]) : undefined;
  const seen = new Set<number>();
  const died: FinishItem[] = [];
  const results = items.map((item): FinishResult => {
    const token = tokenOf(item.reservation);
    if (seen.has(token) || token === NO_TOKEN || held?.has(token) === false) return "lost";
    seen.add(token);
    if (item.outcome === "release" && held?.get(token) === FAILED) died.push(item);
    return "ok";
  });
  return { results, died };
}

export function extendValues(items: readonly ExtendItem[]): unknown[] {
  const ordered = [...new Map(items.map(({ reservation, leaseMs }) => [tokenOf(reservation), leaseMs]))].toSorted(
    ([a], [b]) => a - b,
  );
  return [
    binaryArray({ type: "int8", values: ordered.map(([token]) => token) }),
    binaryArray({ type: "float8", values: ordered.map(([, leaseMs]) => leaseMs) }),
  ];
}

export function extendResults(
  items: readonly ExtendItem[],
  answer: string | null | undefined,
): readonly ExtendResult[] {
  if (typeof answer !== "string") return items.map(() => "ok");
  const held = new Set(JSON.parse(answer) as readonly number[]);
  return items.map(({ reservation }) => (held.has(tokenOf(reservation)) ? "ok" : "lost"));
}
