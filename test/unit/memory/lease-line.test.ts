import fc from "fast-check";
import { expect, test } from "vitest";
import type { PushItem } from "../../../src/contract/index.ts";
import { LeaseLine } from "../../../src/drivers/memory/lease-line.ts";
import { QueueState, Slot } from "../../../src/drivers/memory/slot.ts";

const slotOf = (order: number): Slot => Object.assign(new Slot({} as PushItem, new QueueState("q")), { order });
const key = ({ dueAt, order }: Slot): number => dueAt * 1_000_000 + order;

test("the first is always the one whose lease ends first, and what does not fit at the end is refused", () => {
  const step = fc.record({ later: fc.integer({ min: -3, max: 5 }), leaves: fc.array(fc.nat(), { maxLength: 3 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const line = new LeaseLine();
      let here: Slot[] = [];
      let now = 100;
      for (const [order, { later, leaves }] of steps.entries()) {
        now += later;
        const slot = slotOf(order + 1);
        if (line.add(slot, now)) here.push(slot);
        else expect(here.length).toBeGreaterThan(0);
        for (const leaf of leaves) {
          const leaver = here[leaf % Math.max(1, here.length)];
          if (leaver === undefined) continue;
          expect(LeaseLine.has(leaver)).toBe(true);
          line.remove(leaver);
          expect(LeaseLine.has(leaver)).toBe(false);
          here = here.filter((one) => one !== leaver);
        }
        expect(line.size).toBe(here.length);
        expect(line.peek()).toBe(here.toSorted((a, b) => key(a) - key(b))[0]);
      }
    }),
  );
});

test("one lease that stays while thousands come and go keeps neither them nor the room", () => {
  const line = new LeaseLine();
  const first = slotOf(1);
  line.add(first, 1);
  const open: Slot[] = [];
  for (let n = 2; n < 20_000; n += 1) {
    const slot = slotOf(n);
    expect(line.add(slot, n)).toBe(true);
    open.push(slot);
    const oldest = open.length > 50 ? open.shift() : undefined;
    if (oldest !== undefined) line.remove(oldest);
    expect(line.peek()).toBe(first);
  }
  expect(line.length).toBeLessThan(2_500);
  line.remove(first);
  expect(line.peek()).toBe(open[0]);
});
