import assert from "node:assert/strict";
import { setImmediate as nextImmediate } from "node:timers/promises";
import type { CountQuality, StoredStats } from "../../../contract/index.ts";
import type { CaseGroup } from "../case.ts";
import * as needs from "../requirements.ts";
import { QUEUE } from "../stage.ts";
import type { Stage } from "../stage.ts";

type Counts = Readonly<Record<"pending" | "delayed" | "reserved" | "failed" | "completed", number>>;
const STATES = ["pending", "delayed", "reserved", "failed", "completed"] as const;

/** A number of the declared quality: exact ones are right, approximate ones are numbers, and where there is none nobody guesses. */
function checkCount(state: string, quality: CountQuality, got: number | undefined, wanted: number): void {
  if (quality === "none") return assert.equal(got, undefined, `${state} is declared none`);
  assert.ok(got !== undefined && Number.isInteger(got) && got >= 0, `${state} is ${String(got)}, declared ${quality}`);
  if (quality === "exact") assert.equal(got, wanted, state);
}

async function checkStats(stage: Stage, wanted: Counts, queue?: string): Promise<StoredStats> {
  const stats = await stage.driver.stats(queue);
  for (const state of STATES)
    checkCount(`${state} of ${queue ?? "all queues"}`, stage.capabilities.stats[state], stats[state], wanted[state]);
  return stats;
}

/** Of jobs that must not become due during a case, which on a busy server is long. Nobody waits for them. */
function longDelayMs({ capabilities, delayMs }: Stage): number {
  return Math.min(capabilities.delay.maxMs, 20 * delayMs);
}

/** Two done, one failed, one held, two delayed where it can, three pending. */
async function everyState(stage: Stage, queue: string): Promise<Counts> {
  const take = { queues: [queue] };
  await stage.push(stage.items(7, { queue }));
  for (const reservation of await stage.take(2, take)) await stage.done(reservation);
  await stage.fail(await stage.takeOne(take));
  await stage.takeOne(take);
  const delayed = stage.capabilities.delay.support === "unsupported" ? 0 : 2;
  if (delayed > 0) await stage.push(stage.items(delayed, { queue, delayMs: longDelayMs(stage) }));
  return { pending: 3, delayed, reserved: 1, failed: 1, completed: 2 };
}

const NONE: Counts = { pending: 0, delayed: 0, reserved: 0, failed: 0, completed: 0 };
const twice = (counts: Counts): Counts => ({
  pending: counts.pending * 2,
  delayed: counts.delayed * 2,
  reserved: counts.reserved * 2,
  failed: counts.failed * 2,
  completed: counts.completed * 2,
});

type Load = { begun: number; isOver: boolean };

async function produceAndDrain(stage: Stage, load: Load): Promise<readonly string[]> {
  for (let batch = 0; batch < 10; batch += 1) {
    load.begun += 12;
    await stage.push(stage.items(12));
    await nextImmediate();
  }
  const ids = await stage.drain(load.begun);
  load.isOver = true;
  return ids;
}

async function watchUnderLoad(stage: Stage, load: Load): Promise<void> {
  while (!load.isOver) {
    const seen = await stage.driver.stats(QUEUE);
    for (const state of STATES) checkPossible(state, stage.capabilities.stats[state], seen[state], load.begun);
    await nextImmediate();
  }
}

function checkPossible(state: string, quality: CountQuality, count: number | undefined, pushed: number): void {
  if (quality === "none") return assert.equal(count, undefined, `${state} is declared none`);
  assert.ok(count !== undefined && count >= 0 && Number.isInteger(count), `${state} is ${String(count)}`);
  if (quality === "exact") assert.ok(count <= pushed, `${state} is ${count} after ${pushed} pushes`);
}

export const stats: CaseGroup = {
  group: "statistics",
  cases: [
    {
      name: "of an empty store",
      run: async (stage) => {
        const found = await checkStats(stage, NONE);
        assert.equal(found.oldestPendingAt, undefined);
        assert.equal(found.paused, false);
        await checkStats(stage, NONE, QUEUE);
        assert.deepEqual(await stage.driver.queues(), []);
      },
    },
    {
      name: "at rest every state is counted, for one queue and for all",
      run: async (stage) => {
        const wanted = await everyState(stage, "one");
        await checkStats(stage, wanted, "one");
        await checkStats(stage, wanted);
        await everyState(stage, "two");
        await checkStats(stage, wanted, "one");
        await checkStats(stage, wanted, "two");
        await checkStats(stage, twice(wanted));
        await checkStats(stage, NONE, "never pushed to");
      },
    },
    {
      name: "a job that moves is counted once, where it is",
      run: async (stage) => {
        await stage.push(stage.item());
        await checkStats(stage, { ...NONE, pending: 1 });
        const held = await stage.takeOne({ leaseMs: stage.shortLeaseMs });
        await checkStats(stage, { ...NONE, reserved: 1 });
        await stage.release(held);
        await checkStats(stage, { ...NONE, pending: 1 });
        await stage.takeOne({ leaseMs: stage.shortLeaseMs });
        await stage.loseLeases();
        const current = await stage.takeOne();
        await checkStats(stage, { ...NONE, reserved: 1 });
        await stage.done(current);
        await checkStats(stage, { ...NONE, completed: 1 });
      },
    },
    {
      name: "a delayed job is delayed, then pending",
      requires: needs.delays,
      run: async (stage) => {
        await stage.push(stage.item({ delayMs: stage.delayMs }));
        await checkStats(stage, { ...NONE, delayed: 1 });
        await stage.pass(stage.delayMs + stage.capabilities.delay.precisionMs + 1);
        await stage.maintain();
        await checkStats(stage, { ...NONE, pending: 1 });
      },
    },
    {
      name: "the oldest waiting job tells since when",
      run: async (stage) => {
        const before = stage.clock.now();
        await stage.push(stage.item());
        const after = stage.clock.now();
        await stage.pass(50);
        await stage.push(stage.item());
        const { oldestPendingAt } = await stage.driver.stats(QUEUE);
        if (oldestPendingAt === undefined)
          return assert.notEqual(
            stage.capabilities.stats.pending,
            "exact",
            "a store that counts exactly knows its oldest job",
          );
        assert.ok(
          oldestPendingAt >= before - 1 && oldestPendingAt <= after + 1_000,
          `${oldestPendingAt}, pushed between ${before} and ${after}`,
        );
      },
    },
    {
      name: "under load no number is impossible, and at rest all are right",
      run: async (stage) => {
        const load = { begun: 0, isOver: false };
        const [ids] = await Promise.all([produceAndDrain(stage, load), watchUnderLoad(stage, load)]);
        assert.equal(ids.length, 120);
        await checkStats(stage, { ...NONE, completed: 120 }, QUEUE);
      },
    },
    {
      name: "queues lists what was pushed to, once each",
      run: async (stage) => {
        for (const queue of ["b", "a", "b"]) await stage.push(stage.item({ queue }));
        assert.deepEqual([...(await stage.driver.queues())].toSorted(), ["a", "b"]);
      },
    },
  ],
};
