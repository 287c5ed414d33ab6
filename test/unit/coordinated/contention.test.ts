/** What one claim of several processes takes: enough for each of them, and either the same as another's or nothing of it. */
import { expect, it } from "vitest";
import { Contention } from "../../../src/drivers/coordinated/contention.ts";
import type { Shelved } from "../../../src/drivers/coordinated/shelves.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";

const bucket = Array.from({ length: 64 }, (_, place) => ({ key: String(place) }) as unknown as Shelved);

function sharesOf(contention: Contention, want: number, buckets: number): readonly (readonly number[])[] {
  return Array.from({ length: 200 }, () => contention.share(bucket, want, buckets).map(({ key }) => Number(key)));
}

it("alone it is the first of the bucket, as many as are wanted", () => {
  const contention = new Contention(virtualClock(), () => 31);
  for (const share of sharesOf(contention, 20, 3)) expect(share).toEqual(Array.from({ length: 20 }, (_, i) => i));
});

it("where others claim it is what each of them can have, from a multiple of that", () => {
  const contention = new Contention(virtualClock(), () => 31);
  contention.lost();
  const shares = sharesOf(contention, 20, 3);
  for (const share of shares.filter((one) => !one.includes(63))) expect(share.length).toBe(6);
  for (const [first = NaN] of shares) expect(first % 6).toBe(0);
  expect(new Set(shares.flat()).size).toBe(64);
});

it("where there is enough for all it is what is wanted", () => {
  const contention = new Contention(virtualClock(), () => 7);
  contention.lost();
  for (const share of sharesOf(contention, 16, 32)) expect(share.length).toBe(16);
});

it("every one of many processes gets something of the last jobs", () => {
  const contention = new Contention(virtualClock(), () => 500);
  contention.lost();
  for (const share of sharesOf(contention, 4, 1)) expect(share.length).toBe(1);
  // Most of them may only push: no claim becomes many small ones.
  for (const share of sharesOf(contention, 20, 1).filter((one) => !one.includes(63))) expect(share.length).toBe(5);
});
