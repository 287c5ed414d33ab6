import assert from "node:assert/strict";
import type { CaseGroup } from "../case.ts";
import { comesAt, lookBefore } from "../due.ts";
import * as needs from "../requirements.ts";
import { idsOf, QUEUE } from "../stage.ts";
import type { Stage } from "../stage.ts";

const farAway = (stage: Stage): number => stage.capabilities.delay.maxMs + 1_000;

/** Between delays whose order counts. In real time more than a busy store may be late: of two that it finds due at once either may come first. */
function stepOf({ isVirtual, delayMs, capabilities: { delay } }: Stage): number {
  const step = isVirtual ? 0 : Math.min(3 * delay.precisionMs, delay.maxMs / 4);
  return Math.floor(Math.max(delayMs / 4, step));
}

export const delays: CaseGroup = {
  group: "delays",
  cases: [
    {
      name: "a delayed job comes at its time: never earlier, and late at most by the precision",
      requires: needs.delays,
      run: async (stage) => {
        const start = stage.clock.monotonic();
        const item = stage.item({ delayMs: stage.delayMs });
        await stage.push(item);
        assert.equal((await comesAt(stage, start, stage.delayMs)).job.id, item.id);
      },
    },
    {
      name: "runAt takes the place of the delay",
      requires: needs.delays,
      run: async (stage) => {
        const start = stage.clock.monotonic();
        const item = stage.item({ delayMs: 0, runAt: Math.ceil(stage.clock.now() + stage.delayMs) });
        await stage.push(item);
        assert.equal((await comesAt(stage, start, stage.delayMs)).job.id, item.id);
      },
    },
    {
      name: "a runAt that is over is now, whatever the delay",
      run: async (stage) => {
        const item = stage.item({ delayMs: stage.delayMs, runAt: Math.floor(stage.clock.now()) - 1 });
        await stage.push(item);
        assert.equal((await stage.takeOne()).job.id, item.id);
      },
    },
    {
      name: "delays of different length come in the order of their times",
      requires: needs.delays,
      run: async (stage) => {
        const unit = stepOf(stage);
        const lengths = [3, 1, 4, 2].map((factor) => factor * unit);
        const items = lengths.map((delayMs) => stage.item({ delayMs }));
        await stage.push(items);
        const order: string[] = [];
        for (let step = 0; step < 4; step += 1) {
          await stage.pass(unit + (step === 0 ? stage.capabilities.delay.precisionMs + 1 : 0));
          order.push(...idsOf(await stage.takeUpTo(4)));
        }
        assert.deepEqual(order, [items[1]?.id, items[3]?.id, items[0]?.id, items[2]?.id]);
      },
    },
    {
      name: "a blocked consumer gets a delayed job that becomes due, with maintain when that is needed",
      requires: needs.delays,
      run: async (stage) => {
        const item = stage.item({ delayMs: stage.delayMs });
        await stage.push(item);
        const request = { queues: [QUEUE], max: 1, leaseMs: stage.leaseMs, waitMs: 20 * stage.delayMs };
        const waiting = stage.driver.reserve(request);
        await stage.pass(stage.delayMs + stage.capabilities.delay.precisionMs + 1);
        await stage.maintain();
        const arrived = await stage.settles(waiting, stage.patienceMs, "a blocked reserve after a job became due");
        stage.checkReserved(request, arrived);
        assert.deepEqual(idsOf(arrived.reservations), [item.id]);
      },
    },
    {
      name: "many delayed jobs become due at once",
      requires: needs.delays,
      run: async (stage) => {
        const start = stage.clock.monotonic();
        await stage.push(stage.items(150, { delayMs: stage.delayMs }));
        const found = await lookBefore(stage, start + stage.delayMs);
        await stage.pass(stage.delayMs + stage.capabilities.delay.precisionMs + 1);
        await stage.take(found === undefined ? 150 : 149);
        await stage.nothing();
      },
    },
    {
      name: "maintain moves at most max at once, and everything in the end",
      requires: needs.delays,
      run: async (stage) => {
        await stage.push(stage.items(10, { delayMs: stage.delayMs }));
        await stage.pass(stage.delayMs + stage.capabilities.delay.precisionMs + 1);
        for (let round = 0; round < 12; round += 1) {
          const { promoted } = await stage.maintain(stage.driver, 3);
          assert.ok(promoted <= 3, `maintain with max 3 promoted ${promoted}`);
        }
        assert.equal((await stage.take(10)).length, 10);
      },
    },
    {
      name: "a delay beyond the declared maximum is refused",
      requires: needs.boundedDelays,
      run: (stage) =>
        stage.refusesPush(stage.item({ delayMs: farAway(stage) }), "UNSUPPORTED", `a delay of ${farAway(stage)} ms`),
    },
    {
      name: "a runAt beyond the declared maximum is refused",
      requires: needs.boundedDelays,
      run: (stage) =>
        stage.refusesPush(
          stage.item({ runAt: Math.floor(stage.clock.now()) + farAway(stage) }),
          "UNSUPPORTED",
          "a runAt too far away",
        ),
    },
    {
      name: "a delay is refused where there are none",
      requires: needs.noDelays,
      run: async (stage) => {
        await stage.refusesPush(stage.item({ delayMs: 1_000 }), "UNSUPPORTED", "a delay");
        await stage.refusesPush(
          stage.item({ runAt: Math.floor(stage.clock.now()) + 60_000 }),
          "UNSUPPORTED",
          "a runAt to come",
        );
      },
    },
    {
      name: "after a step back of the wall clock a delay may be late, never early",
      requires: needs.all(needs.delays, needs.steppedWallClock),
      run: async (stage) => {
        const start = stage.clock.monotonic();
        const item = stage.item({ delayMs: stage.delayMs });
        await stage.push(item);
        stage.target.clock?.setWallClock(stage.clock.now() - 3_600_000);
        await stage.passUntil(start + stage.delayMs - 1);
        await stage.nothing();
        await stage.pass(3_600_000 + stage.capabilities.delay.precisionMs + 2);
        assert.equal((await stage.takeOne()).job.id, item.id);
      },
    },
  ],
};
