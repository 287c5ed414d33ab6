import { COUNTED, type Counted } from "./part.ts";

export type Counts = Readonly<Record<Counted, number>>;

/** `serial` makes each value unique, so that reading back tells which transaction wrote it. */
export type CounterValue = Readonly<{ queue: string; serial: number; counts: Counts }>;

export const NO_COUNTS: Counts = { pending: 0, delayed: 0, reserved: 0, failed: 0, completed: 0, kept: 0, bytes: 0 };

export function encodeCounter({ queue, serial, counts }: CounterValue): Uint8Array {
  return Buffer.from(JSON.stringify([queue, serial, ...COUNTED.map((what) => counts[what])]));
}

export function decodeCounter(bytes: Uint8Array): CounterValue {
  const [queue, serial, ...numbers] = JSON.parse(Buffer.from(bytes).toString()) as [string, number, ...number[]];
  const counts = Object.fromEntries(COUNTED.map((what, index) => [what, numbers[index] ?? 0])) as Counts;
  return { queue, serial, counts };
}

export function added(a: Counts, b: Counts): Counts {
  return Object.fromEntries(COUNTED.map((what) => [what, a[what] + b[what]])) as Counts;
}
