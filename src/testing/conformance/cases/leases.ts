import assert from "node:assert/strict";
import type { CaseGroup } from "../case.ts";
import * as needs from "../requirements.ts";
import { QUEUE } from "../stage.ts";
import { loseOnce } from "./lose-once.ts";
import { losses } from "./losses.ts";
import { staleTokens } from "./stale-tokens.ts";

export const leases: CaseGroup = {
  group: "leases",
  cases: [
    {
      name: "a held job is given to nobody else",
      run: async (stage) => {
        await stage.push(stage.item());
        await stage.takeOne();
        await stage.nothing();
        if (stage.capabilities.shared) await stage.nothing({ driver: await stage.second() });
      },
    },
    {
      name: "a job whose lease was lost comes again, with one loss and one attempt more",
      run: async (stage) => {
        const { stale, current } = await loseOnce(stage);
        assert.equal(current.job.id, stale.job.id);
        assert.equal(current.job.losses, 1, "losses");
        if (stage.capabilities.attempts === "exact") assert.equal(current.job.attempts, 2, "attempts");
        assert.equal(current.job.exceptions, 0, "a loss is no exception");
        assert.deepEqual(current.job.payload, stale.job.payload);
      },
    },
    {
      name: "a lost lease wakes a blocked consumer, with maintain when that is needed",
      requires: needs.deadlines,
      run: async (stage) => {
        await stage.push(stage.item());
        await stage.takeOne({ leaseMs: stage.shortLeaseMs });
        const request = { queues: [QUEUE], max: 1, leaseMs: stage.leaseMs, waitMs: 10 * stage.shortLeaseMs };
        const waiting = stage.driver.reserve(request);
        await stage.loseLeases();
        await stage.maintain();
        const arrived = await stage.settles(waiting, stage.patienceMs, "a blocked reserve after a lease ran out");
        stage.checkReserved(request, arrived);
        assert.equal(arrived.reservations[0]?.job.losses, 1);
      },
    },
    {
      name: "a lease holds to its end",
      requires: needs.all(needs.deadlines, needs.virtualTime),
      run: async (stage) => {
        await stage.push(stage.item());
        const held = await stage.takeOne({ leaseMs: stage.shortLeaseMs });
        await stage.pass(stage.shortLeaseMs - 1);
        await stage.nothing();
        await stage.done(held);
      },
    },
    {
      name: "the token decides alone: a finish after the deadline counts while nobody took the job back",
      requires: needs.deadlines,
      run: async (stage) => {
        await stage.push(stage.item());
        const held = await stage.takeOne({ leaseMs: stage.shortLeaseMs });
        await stage.pass(stage.shortLeaseMs + stage.capabilities.lease.grainMs + 1);
        const [answer] = await stage.finish([{ reservation: held, outcome: "done" }]);
        // A driver may take back by a timer of its own; then the answer must be `lost`, and true.
        const left = await stage.drain(answer === "ok" ? 0 : 1);
        assert.deepEqual(left, answer === "ok" ? [] : [held.job.id], `the finish answered ${answer}`);
      },
    },
    {
      name: "an extended lease holds longer, and every answer is in order",
      requires: needs.all(needs.extension, needs.deadlines),
      run: async (stage) => {
        await stage.push(stage.items(3));
        const [a, b, c] = await stage.take(3, { leaseMs: stage.shortLeaseMs });
        assert.ok(a && b && c);
        await stage.done(b);
        assert.deepEqual(await stage.extend([a, b, c], stage.leaseMs), ["ok", "lost", "ok"]);
        await stage.pass(stage.shortLeaseMs + stage.capabilities.lease.grainMs + 1);
        await stage.nothing();
        await stage.done(a);
        await stage.done(c);
      },
    },
    {
      name: "extend counts from now: it can shorten, too",
      requires: needs.all(needs.extension, needs.deadlines),
      run: async (stage) => {
        await stage.push(stage.item());
        const held = await stage.takeOne({ leaseMs: stage.leaseMs });
        assert.deepEqual(await stage.extend([held], stage.shortLeaseMs), ["ok"]);
        await stage.loseLeases();
        assert.equal((await stage.takeOne()).job.losses, 1);
        assert.deepEqual(await stage.extend([held], stage.leaseMs), ["lost"]);
      },
    },
    {
      name: "a connection's lease can be extended while the connection lives, not after",
      requires: needs.all(needs.extension, needs.connectionLeases),
      run: async (stage) => {
        await stage.push(stage.items(2));
        const [a, b] = await stage.take(2);
        assert.ok(a && b);
        await stage.done(a);
        assert.deepEqual(await stage.extend([a, b], stage.leaseMs), ["lost", "ok"]);
        await stage.loseLeases();
        await stage.takeOne();
        assert.deepEqual(await stage.extend([b], stage.leaseMs), ["lost"]);
      },
    },
    {
      name: "extend is refused where it is not supported",
      requires: needs.noExtension,
      run: async (stage) => {
        await stage.push(stage.item());
        const reservation = await stage.takeOne();
        await stage.rejects(stage.driver.extend([{ reservation, leaseMs: 1_000 }]), "UNSUPPORTED", "extend");
        await stage.done(reservation);
      },
    },
    {
      name: "a handle dies with its connection, also in the hands of the next one",
      requires: needs.connectionLeases,
      run: async (stage) => {
        await stage.push(stage.item());
        const stale = await stage.takeOne();
        await stage.crash();
        await stage.refused(stale);
        await stage.pass(stage.capabilities.lease.grainMs + 1);
        assert.deepEqual(await stage.drain(1), [stale.job.id]);
      },
    },
    {
      name: "a step of the wall clock ends no lease",
      requires: needs.all(needs.deadlines, needs.steppedWallClock),
      run: async (stage) => {
        await stage.push(stage.item());
        const held = await stage.takeOne({ leaseMs: stage.shortLeaseMs });
        stage.target.clock?.setWallClock(stage.clock.now() + 86_400_000);
        await stage.nothing();
        await stage.done(held);
        await stage.push(stage.item());
        await stage.takeOne({ leaseMs: stage.shortLeaseMs });
        stage.target.clock?.setWallClock(stage.clock.now() - 2 * 86_400_000);
        await stage.loseLeases();
        assert.equal((await stage.takeOne()).job.losses, 1, "the lease ends in time after a step back");
      },
    },
    ...staleTokens,
    ...losses,
  ],
};
