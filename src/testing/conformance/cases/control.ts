import assert from "node:assert/strict";
import type { CaseGroup } from "../case.ts";
import * as needs from "../requirements.ts";
import { idsOf, QUEUE } from "../stage.ts";
import type { Stage } from "../stage.ts";

async function pause(stage: Stage, queue: string = QUEUE): Promise<void> {
  await stage.settles(stage.driver.pause(queue), stage.patienceMs, "pause");
  await stage.pass(stage.capabilities.pause.lagMs);
}

async function resume(stage: Stage, queue: string = QUEUE): Promise<void> {
  await stage.settles(stage.driver.resume(queue), stage.patienceMs, "resume");
  await stage.pass(stage.capabilities.pause.lagMs);
}

function checkRemoved(stage: Stage, removed: number | undefined, wanted: number): void {
  assert.equal(removed, stage.capabilities.clear.counts ? wanted : undefined, "removed, as clear.counts declares");
}

export const clear: CaseGroup = {
  group: "clear",
  cases: [
    {
      name: "removes what waits in that queue and nothing else",
      requires: needs.clearing,
      run: async (stage) => {
        await stage.push(stage.items(2));
        const [held, failing] = await stage.take(2);
        assert.ok(held && failing);
        await stage.fail(failing);
        await stage.push(stage.items(3));
        await stage.push(stage.item({ queue: "other" }));
        const { removed } = await stage.driver.clear(QUEUE);
        checkRemoved(stage, removed, 3);
        await stage.nothing();
        await stage.done(held);
        await stage.takeOne({ queues: ["other"] });
        if (stage.capabilities.stats.failed === "exact")
          assert.equal((await stage.driver.stats(QUEUE)).failed, 1, "failed jobs stay");
        if (stage.capabilities.stats.completed === "exact")
          assert.equal((await stage.driver.stats(QUEUE)).completed, 1, "counters stay");
      },
    },
    {
      name: "removes delayed jobs, too",
      requires: needs.all(needs.clearing, needs.delays),
      run: async (stage) => {
        await stage.push(stage.items(2, { delayMs: stage.delayMs }));
        checkRemoved(stage, (await stage.driver.clear(QUEUE)).removed, 2);
        await stage.pass(stage.delayMs + stage.capabilities.delay.precisionMs + 1);
        await stage.nothing();
      },
    },
    {
      name: "without a name means every queue",
      requires: needs.clearing,
      run: async (stage) => {
        for (const queue of ["one", "two", "three"]) await stage.push(stage.items(2, { queue }));
        checkRemoved(stage, (await stage.driver.clear()).removed, 6);
        await stage.nothing({ queues: ["one", "two", "three"] });
        checkRemoved(stage, (await stage.driver.clear()).removed, 0);
      },
    },
    {
      name: "a job that is released after a clear still comes",
      requires: needs.clearing,
      run: async (stage) => {
        await stage.push(stage.item());
        const held = await stage.takeOne();
        await stage.driver.clear(QUEUE);
        await stage.release(held);
        assert.deepEqual(await stage.drain(1), [held.job.id]);
      },
    },
    {
      name: "is refused where it is not supported",
      requires: needs.noClearing,
      run: async (stage) => {
        await stage.push(stage.item());
        await stage.rejects(stage.driver.clear(QUEUE), "UNSUPPORTED", "clear");
        await stage.takeOne();
      },
    },
  ],
};

export const pausing: CaseGroup = {
  group: "pause",
  cases: [
    {
      name: "a paused queue gives nothing, takes pushes, and leaves held jobs and other queues alone",
      requires: needs.pausing,
      run: async (stage) => {
        await stage.push(stage.items(2));
        const held = await stage.takeOne();
        await pause(stage);
        await stage.push(stage.item());
        await stage.nothing();
        await stage.push(stage.item({ queue: "other", id: "other" }));
        assert.equal((await stage.takeOne({ queues: [QUEUE, "other"] })).job.id, "other");
        await stage.done(held);
        assert.equal((await stage.driver.stats(QUEUE)).paused, true);
        assert.equal((await stage.driver.stats("other")).paused, false);
        await resume(stage);
        assert.equal((await stage.driver.stats(QUEUE)).paused, false);
        assert.equal((await stage.take(2)).length, 2);
      },
    },
    {
      name: "resume wakes a blocked consumer",
      requires: needs.pausing,
      run: async (stage) => {
        const item = stage.item();
        await stage.push(item);
        await pause(stage);
        const request = { queues: [QUEUE], max: 1, leaseMs: stage.leaseMs, waitMs: 600_000 };
        const waiting = stage.driver.reserve(request);
        await stage.pass(10);
        await resume(stage);
        const arrived = await stage.settles(waiting, stage.patienceMs, "a blocked reserve after resume");
        stage.checkReserved(request, arrived);
        assert.deepEqual(idsOf(arrived.reservations), [item.id]);
      },
    },
    {
      name: "a consumer that was blocked before the pause gets nothing during it",
      requires: needs.pausing,
      run: async (stage) => {
        const request = { queues: [QUEUE], max: 1, leaseMs: stage.leaseMs, waitMs: stage.isVirtual ? 5_000 : 300 };
        const waiting = stage.driver.reserve(request);
        await stage.pass(1);
        await pause(stage);
        await stage.push(stage.item());
        const arrived = await stage.settles(waiting, request.waitMs + stage.patienceMs, "a reserve on a paused queue");
        assert.deepEqual(idsOf(arrived.reservations), []);
      },
    },
    {
      name: "delays become due and lost leases come back during a pause, and are given after it",
      requires: needs.all(needs.pausing, needs.delays),
      run: async (stage) => {
        await stage.push(stage.item({ delayMs: stage.delayMs }));
        await pause(stage);
        await stage.pass(stage.delayMs + stage.capabilities.delay.precisionMs + 1);
        await stage.nothing();
        if (stage.capabilities.stats.pending === "exact")
          assert.equal((await stage.driver.stats(QUEUE)).pending, 1, "due during the pause");
        await resume(stage);
        await stage.takeOne();
      },
    },
    {
      name: "pause and resume twice are as good as once",
      requires: needs.pausing,
      run: async (stage) => {
        await stage.push(stage.item());
        await pause(stage);
        await pause(stage);
        await stage.nothing();
        await resume(stage);
        await resume(stage);
        await stage.takeOne();
      },
    },
    {
      name: "clear and an empty queue leave the pause in force",
      requires: needs.all(needs.pausing, needs.clearing),
      run: async (stage) => {
        await pause(stage);
        await stage.driver.clear(QUEUE);
        await stage.push(stage.item());
        await stage.nothing();
      },
    },
    {
      name: "holds for every process, also for one that starts later, and outlives the one that asked",
      requires: needs.all(needs.pausing, needs.shared),
      run: async (stage) => {
        const before = await stage.second();
        await stage.push(stage.items(2));
        await pause(stage);
        await stage.nothing({ driver: before });
        const after = await stage.second();
        await stage.close();
        stage.driver = after;
        await stage.nothing();
        await resume(stage);
        await stage.takeOne();
        await stage.takeOne({ driver: before });
      },
    },
    {
      name: "is refused where it is not supported",
      requires: needs.noPausing,
      run: async (stage) => {
        await stage.push(stage.item());
        await stage.rejects(stage.driver.pause(QUEUE), "UNSUPPORTED", "pause");
        await stage.rejects(stage.driver.resume(QUEUE), "UNSUPPORTED", "resume");
        await stage.takeOne();
      },
    },
  ],
};
