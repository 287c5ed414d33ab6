import { expect, test } from "vitest";
import type { CoordinationEntry } from "../../../src/contract/index.ts";
import { Contention } from "../../../src/drivers/coordinated/contention.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";

const PROCESSES = [0, 1, 2];
/** One claim in 16 chooses among all of twelve: each of them that is left out by all others is chosen once in 200 or so. */
const BOUND = 3_000;

const markers = Array.from({ length: 12 }, (_, index): CoordinationEntry => {
  return { key: `jobs/r/q.7fffffff.${index}-owner`, value: new Uint8Array(), version: "1" };
});
const contended = (mine: number): Contention => {
  const contention = new Contention(virtualClock(), () => ({ mine, of: PROCESSES.length }));
  contention.lost();
  return contention;
};
const chosenBy = (contention: Contention): string =>
  contention
    .chosen(markers, () => "q", 1)
    .map(({ key }) => key)
    .join();

/** The bucket that is chosen most often, and how often in a hundred. */
function favourite(contention: Contention): readonly [key: string, times: number] {
  const times = new Map<string, number>();
  for (let turn = 0; turn < 100; turn += 1) {
    const key = chosenBy(contention);
    times.set(key, (times.get(key) ?? 0) + 1);
  }
  return [...times].toSorted(([, a], [, b]) => b - a)[0] ?? ["", 0];
}

test("of processes that met each one mostly chooses a bucket that no other one chooses", () => {
  const favourites = PROCESSES.map((mine) => favourite(contended(mine)));
  expect(new Set(favourites.map(([key]) => key)).size).toBe(PROCESSES.length);
  expect(Math.min(...favourites.map(([, times]) => times))).toBeGreaterThan(80);
});

test("buckets that fall to others are chosen too, though there are always some that fall to this one", () => {
  const contention = contended(0);
  // Of those that met again and again.
  for (let met = 0; met < 6; met += 1) contention.lost();
  const chosen = new Set(Array.from({ length: BOUND }, () => chosenBy(contention)));
  expect(chosen).toEqual(new Set(markers.map(({ key }) => key)));
});
