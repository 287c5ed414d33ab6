import assert from "node:assert/strict";
import type { CaseGroup } from "../case.ts";
import { comesAt } from "../due.ts";
import * as needs from "../requirements.ts";
import { idsOf, QUEUE } from "../stage.ts";

export const processes: CaseGroup = {
  group: "processes",
  cases: [
    {
      name: "what one process pushes another reserves",
      requires: needs.shared,
      run: async (stage) => {
        const second = await stage.second();
        const items = stage.items(5);
        await stage.push(items);
        const got = await stage.take(5, { driver: second });
        assert.deepEqual([...idsOf(got)].toSorted(), items.map(({ id }) => id).toSorted());
        for (const reservation of got) await stage.done(reservation, second);
        await stage.nothing();
      },
    },
    {
      name: "a push wakes a consumer that is blocked in another process",
      requires: needs.shared,
      run: async (stage) => {
        const second = await stage.second();
        const request = { queues: [QUEUE], max: 1, leaseMs: stage.leaseMs, waitMs: 600_000 };
        const waiting = second.reserve(request);
        await stage.pass(1);
        const item = stage.item();
        await stage.push(item);
        const arrived = await stage.settles(waiting, stage.patienceMs, "a blocked reserve in another process");
        stage.checkReserved(request, arrived);
        assert.deepEqual(idsOf(arrived.reservations), [item.id]);
      },
    },
    {
      name: "waiting jobs outlive every process",
      requires: needs.all(needs.shared, needs.durable),
      run: async (stage) => {
        const items = stage.items(3);
        await stage.push(items);
        await stage.crash();
        assert.deepEqual([...(await stage.drain(items.length))].toSorted(), items.map(({ id }) => id).toSorted());
      },
    },
    {
      name: "delayed jobs outlive every process and keep their time",
      requires: needs.all(needs.shared, needs.durable, needs.delays),
      run: async (stage) => {
        const item = stage.item({ delayMs: stage.delayMs });
        const start = stage.clock.monotonic();
        await stage.push(item);
        await stage.crash();
        const again = await comesAt(stage, start, stage.delayMs);
        assert.equal(again.job.id, item.id);
        await stage.done(again);
        await stage.nothing();
      },
    },
    {
      name: "jobs that a process held when it died come again, attempts and losses counted",
      requires: needs.shared,
      run: async (stage) => {
        const items = stage.items(10);
        await stage.push(items);
        await stage.take(6, { leaseMs: stage.shortLeaseMs });
        await stage.crash();
        await stage.pass(
          Math.max(stage.capabilities.lease.ends === "deadline" ? stage.shortLeaseMs : 0, 0) +
            stage.capabilities.lease.grainMs +
            1,
        );
        const again = await stage.take(10);
        assert.deepEqual([...idsOf(again)].toSorted(), items.map(({ id }) => id).toSorted());
        assert.equal(again.filter(({ job }) => job.losses === 1).length, 6, "jobs with one loss");
        if (stage.capabilities.attempts === "exact")
          assert.equal(again.filter(({ job }) => job.attempts === 2).length, 6, "jobs in their second attempt");
      },
    },
    {
      name: "a process that closes leaves its held jobs to the others",
      requires: needs.shared,
      run: async (stage) => {
        await stage.push(stage.items(2));
        const [held] = await stage.take(1, { leaseMs: stage.shortLeaseMs });
        const second = await stage.second();
        await stage.close();
        stage.driver = second;
        await stage.pass(
          Math.max(stage.capabilities.lease.ends === "deadline" ? stage.shortLeaseMs : 0, 0) +
            stage.capabilities.lease.grainMs +
            1,
        );
        assert.equal((await stage.drain(2)).length, 2);
        assert.ok(held);
        await stage.refused(held);
      },
    },
    {
      name: "maintain in several processes at once moves every job once",
      requires: needs.all(needs.shared, needs.delays),
      run: async (stage) => {
        const second = await stage.second();
        const items = stage.items(40, { delayMs: stage.delayMs });
        await stage.push(items);
        await stage.pass(stage.delayMs + stage.capabilities.delay.precisionMs + 1);
        await Promise.all([stage.maintain(), stage.maintain(second), stage.maintain(), stage.maintain(second)]);
        assert.deepEqual([...(await stage.drain(items.length))].toSorted(), items.map(({ id }) => id).toSorted());
      },
    },
  ],
};
