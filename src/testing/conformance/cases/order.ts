import assert from "node:assert/strict";
import type { CaseGroup } from "../case.ts";
import * as needs from "../requirements.ts";
import type { Stage } from "../stage.ts";

/** Up to five priorities over the whole range, highest first. */
function levels(stage: Stage): readonly number[] {
  const { min, max } = stage.capabilities.priority;
  const middle = [Math.ceil(min / 2), 0, Math.floor(max / 2)];
  return [...new Set([max, ...middle, min])].toSorted((a, b) => b - a);
}

async function inOrderOf(stage: Stage, count: number): Promise<readonly string[]> {
  const order: string[] = [];
  for (let index = 0; index < count; index += 1) order.push((await stage.takeOne()).job.id);
  return order;
}

export const order: CaseGroup = {
  group: "order",
  cases: [
    {
      name: "higher priority first",
      requires: needs.strictPriorities,
      run: async (stage) => {
        const wanted = levels(stage).map((priority) => stage.item({ priority }));
        await stage.push(wanted.toReversed());
        assert.deepEqual(
          await inOrderOf(stage, wanted.length),
          wanted.map(({ id }) => id),
        );
      },
    },
    {
      name: "inside one batch of reservations, too",
      requires: needs.strictPriorities,
      run: async (stage) => {
        const wanted = levels(stage).map((priority) => stage.item({ priority }));
        await stage.push(wanted.toReversed());
        const got = await stage.take(wanted.length);
        assert.deepEqual(
          got.map(({ job }) => job.priority),
          levels(stage),
        );
      },
    },
    {
      name: "a higher priority that comes later overtakes",
      requires: needs.strictPriorities,
      run: async (stage) => {
        const { max } = stage.capabilities.priority;
        await stage.push(stage.items(3));
        await stage.takeOne();
        const urgent = stage.item({ priority: max });
        await stage.push(urgent);
        assert.equal((await stage.takeOne()).job.id, urgent.id);
      },
    },
    {
      name: "approximate priorities lose nothing",
      requires: needs.priorities,
      run: async (stage) => {
        const items = [...levels(stage), ...levels(stage)].map((priority) => stage.item({ priority }));
        await stage.push(items);
        assert.deepEqual([...(await stage.drain(items.length))].toSorted(), items.map(({ id }) => id).toSorted());
      },
    },
    {
      name: "a priority beyond the declared range is refused",
      requires: needs.boundedPriorities,
      run: async (stage) => {
        const { min, max } = stage.capabilities.priority;
        for (const priority of [max + 1, min - 1])
          await stage.refusesPush(
            stage.item({ priority }),
            "UNSUPPORTED",
            `priority ${priority}, declared ${min} to ${max}`,
          );
      },
    },
    {
      name: "first deliveries of one producer keep their order: single pushes",
      requires: needs.fifo,
      run: async (stage) => {
        const items = stage.items(20);
        for (const item of items) await stage.push(item);
        assert.deepEqual(
          await inOrderOf(stage, 20),
          items.map(({ id }) => id),
        );
      },
    },
    {
      name: "first deliveries of one producer keep their order: batches",
      requires: needs.fifo,
      run: async (stage) => {
        const items = stage.items(120);
        for (let start = 0; start < items.length; start += 40) await stage.push(items.slice(start, start + 40));
        const got = [...(await stage.take(50)), ...(await stage.take(70))];
        assert.deepEqual(
          got.map(({ job }) => job.id),
          items.map(({ id }) => id),
        );
      },
    },
    {
      name: "a released job stands behind those that are ready",
      requires: needs.fifo,
      run: async (stage) => {
        const items = stage.items(3);
        await stage.push(items);
        const first = await stage.takeOne();
        await stage.release(first);
        assert.deepEqual(await inOrderOf(stage, 3), [items[1]?.id, items[2]?.id, first.job.id]);
      },
    },
    {
      name: "a job that was lost stands behind those that are ready",
      requires: needs.all(needs.fifo, needs.exactAttempts),
      run: async (stage) => {
        const items = stage.items(3);
        await stage.push(items);
        const first = await stage.takeOne({ leaseMs: stage.shortLeaseMs });
        await stage.loseLeases();
        await stage.maintain();
        assert.deepEqual(await inOrderOf(stage, 3), [items[1]?.id, items[2]?.id, first.job.id]);
      },
    },
    {
      name: "a delayed job that becomes due stands behind those that are ready",
      requires: needs.all(needs.fifo, needs.delays),
      run: async (stage) => {
        const late = stage.item({ delayMs: stage.delayMs });
        const ready = stage.items(2);
        await stage.push(late);
        await stage.push(ready);
        await stage.pass(stage.delayMs + stage.capabilities.delay.precisionMs + 1);
        await stage.maintain();
        assert.deepEqual(await inOrderOf(stage, 3), [...ready.map(({ id }) => id), late.id]);
      },
    },
    {
      name: "a released job keeps its priority",
      requires: needs.strictPriorities,
      run: async (stage) => {
        const { max, min } = stage.capabilities.priority;
        const urgent = stage.item({ priority: max });
        await stage.push([stage.item({ priority: min }), urgent]);
        await stage.release(await stage.takeOne());
        assert.equal((await stage.takeOne()).job.id, urgent.id);
      },
    },
  ],
};
