import assert from "node:assert/strict";
import type { Reservation, StoredJob } from "../../../contract/index.ts";
import type { CaseGroup } from "../case.ts";
import * as needs from "../requirements.ts";
import { QUEUE } from "../stage.ts";
import type { Stage } from "../stage.ts";

/** Reserves the only job, lets the lease be lost, and reserves it again. */
async function loseOnce(stage: Stage): Promise<Readonly<{ stale: Reservation; current: Reservation }>> {
  await stage.push(stage.item());
  const stale = await stage.takeOne({ leaseMs: stage.shortLeaseMs });
  await stage.loseLeases();
  return { stale, current: await stage.takeOne() };
}

/** What refuses a stale reservation must leave the current one as it was. */
async function onlyCurrentCounts(stage: Stage, stale: Reservation, current: Reservation): Promise<void> {
  assert.equal(current.job.id, stale.job.id);
  if (typeof stale.token === "number" && typeof current.token === "number")
    assert.ok(current.token > stale.token, "a later token is higher");
  await stage.refused(stale);
  await stage.nothing();
  await stage.done(current);
  await stage.refused(stale);
  await stage.nothing();
}

/** Loses the job again and again until the store fails it. Returns how many losses that took. */
async function loseUntilDead(stage: Stage, limit: number): Promise<number> {
  for (let losses = 0; losses <= limit; losses += 1) {
    const [held] = await stage.takeUpTo(1, { leaseMs: stage.shortLeaseMs });
    if (held === undefined) return losses;
    if (stage.capabilities.attempts === "exact")
      assert.equal(held.job.losses, losses, "losses of a job that was lost so often");
    await stage.loseLeases();
  }
  return assert.fail(`the job still comes after ${limit} losses`);
}

function deadOf(stage: Stage, id: string): StoredJob {
  const dead = stage.died.filter((job) => job.id === id);
  assert.equal(dead.length, 1, `reserve or maintain report ${id} once as died`);
  return dead[0] ?? assert.fail();
}

/**
 * A worker with one slot that fetches up to 100 ahead and runs them in turn. The poison job kills its process.
 * Returns how often each job was started.
 */
async function workBesidePoison(stage: Stage, poison: string, jobs: number): Promise<ReadonlyMap<string, number>> {
  const starts = new Map<string, number>();
  const ended = (): number => [...starts.keys()].filter((id) => id !== poison).length;
  for (let fetches = 0; fetches < 1_000 && (ended() < jobs || stage.died.length === 0); fetches += 1) {
    const { reservations } = await stage.reserve({ max: 100, free: 1, leaseMs: stage.shortLeaseMs });
    if (reservations.length === 0) await stage.maintain();
    await runInTurn(stage, poison, reservations, starts);
  }
  return starts;
}

async function runInTurn(
  stage: Stage,
  poison: string,
  reservations: readonly Reservation[],
  starts: Map<string, number>,
): Promise<void> {
  for (const held of reservations) {
    starts.set(held.job.id, (starts.get(held.job.id) ?? 0) + 1);
    if (held.job.id === poison) return stage.loseLeases();
    assert.ok(held.job.losses <= 1, `neighbour ${held.job.id} was lost ${held.job.losses} times`);
    await stage.done(held);
  }
}

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
        const left = await stage.drain();
        assert.deepEqual(left, answer === "ok" ? [] : [held.job.id], `the finish answered ${answer}`);
      },
    },
    {
      name: "a stale token after a loss",
      run: async (stage) => {
        const { stale, current } = await loseOnce(stage);
        await onlyCurrentCounts(stage, stale, current);
      },
    },
    {
      name: "a stale token after a loss, before anybody has the job again",
      run: async (stage) => {
        await stage.push(stage.item());
        const stale = await stage.takeOne({ leaseMs: stage.shortLeaseMs });
        await stage.loseLeases();
        await stage.maintain();
        if (stage.capabilities.lease.ends === "deadline") {
          // Recovery may be lazy: only a job that was taken back makes the token stale.
          const [next] = await stage.takeUpTo(1);
          assert.ok(next);
          await stage.release(next);
        }
        await stage.refused(stale);
        assert.deepEqual(await stage.drain(), [stale.job.id]);
      },
    },
    {
      name: "a stale token after a release",
      run: async (stage) => {
        await stage.push(stage.item());
        const stale = await stage.takeOne();
        await stage.release(stale);
        await onlyCurrentCounts(stage, stale, await stage.takeOne());
      },
    },
    {
      name: "a stale token after a refund",
      requires: needs.refund,
      run: async (stage) => {
        await stage.push(stage.item());
        const stale = await stage.takeOne();
        await stage.release(stale, { refund: true });
        const current = await stage.takeOne();
        assert.equal(current.job.attempts, stale.job.attempts, "both are the first attempt");
        await onlyCurrentCounts(stage, stale, current);
      },
    },
    {
      name: "a stale token after retry from failed",
      requires: needs.failedRecords,
      run: async (stage) => {
        await stage.push(stage.item());
        const stale = await stage.takeOne();
        await stage.fail(stale);
        assert.equal(await stage.driver.records?.retry([stale.job.id]), 1);
        const current = await stage.takeOne();
        assert.equal(current.job.attempts, 1, "attempts begin again");
        await onlyCurrentCounts(stage, stale, current);
      },
    },
    {
      name: "a stale token after clear and a push of the same id",
      requires: needs.clearing,
      run: async (stage) => {
        const item = stage.item();
        await stage.push(item);
        const stale = await stage.takeOne();
        await stage.release(stale);
        await stage.driver.clear(QUEUE);
        await stage.nothing();
        await stage.push(item);
        const current = await stage.takeOne();
        assert.equal(current.job.attempts, 1, "attempts of the new job");
        await onlyCurrentCounts(stage, stale, current);
      },
    },
    {
      name: "a stale token after done and a push of the same id",
      run: async (stage) => {
        const item = stage.item();
        await stage.push(item);
        const stale = await stage.takeOne();
        await stage.done(stale);
        await stage.push(item);
        await onlyCurrentCounts(stage, stale, await stage.takeOne());
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
        assert.deepEqual(await stage.drain(), [stale.job.id]);
      },
    },
    {
      name: "a lost job is failed by the store at maxLosses, and reported once",
      run: async (stage) => {
        const item = stage.item({ maxLosses: 3 });
        await stage.push(item);
        const losses = await loseUntilDead(stage, stage.capabilities.attempts === "exact" ? 3 : 6);
        if (stage.capabilities.attempts === "exact") assert.equal(losses, 3, "losses until the store gave up");
        assert.ok(losses >= 3, `the store gave up after ${losses} of 3 losses`);
        const dead = deadOf(stage, item.id);
        assert.equal(dead.state, "failed");
        assert.equal(dead.failure?.code, "LEASE_EXPIRED");
        assert.ok(dead.losses >= 3, `losses of the dead job: ${dead.losses}`);
        assert.deepEqual(dead.payload, item.payload, "the dead job keeps its payload");
        await stage.nothing();
      },
    },
    {
      name: "maxLosses 1: the first loss is the last",
      run: async (stage) => {
        await stage.push(stage.item({ maxLosses: 1 }));
        assert.ok((await loseUntilDead(stage, 2)) >= 1);
        assert.equal(stage.died.length, 1);
        await stage.nothing();
      },
    },
    {
      name: "losses are counted across releases, and a release adds none",
      run: async (stage) => {
        const { current } = await loseOnce(stage);
        await stage.release(current);
        const again = await stage.takeOne();
        assert.equal(again.job.losses, 1, "losses after a release");
        if (stage.capabilities.attempts === "exact") assert.equal(again.job.attempts, 3, "attempts after a release");
      },
    },
    {
      name: "a release of a job whose worker died counts as a loss",
      run: async (stage) => {
        await stage.push(stage.item());
        const held = await stage.takeOne();
        await stage.release(held, { loss: true });
        await stage.refused(held);
        const { job } = await stage.takeOne();
        assert.equal(job.losses, 1, "losses");
        if (stage.capabilities.attempts === "exact") assert.equal(job.attempts, 2, "attempts");
      },
    },
    {
      name: "the last loss kills, also when it was handed back",
      run: async (stage) => {
        const item = stage.item({ maxLosses: 2 });
        await stage.push(item);
        await stage.release(await stage.takeOne(), { loss: true });
        await stage.release(await stage.takeOne(), { loss: true });
        await stage.nothing();
        assert.equal(deadOf(stage, item.id).failure?.code, "LEASE_EXPIRED");
      },
    },
    {
      name: "maintain tells what came back and what died apart",
      run: async (stage) => {
        const [last, other] = [stage.item({ maxLosses: 1 }), stage.item({ maxLosses: 3 })];
        await stage.push([last, other]);
        await stage.take(2, { leaseMs: stage.shortLeaseMs });
        await stage.loseLeases();
        let recovered = 0;
        // More rounds than there are jobs: a store may take one back in each.
        for (let round = 0; round < 4; round += 1) recovered += (await stage.maintain()).recovered;
        // None where the claim takes them back.
        assert.ok(recovered <= 1, `of two lost leases one job came back and one died; recovered ${recovered}`);
        assert.equal((await stage.takeOne()).job.id, other.id);
        await stage.nothing();
        assert.equal(deadOf(stage, last.id).failure?.code, "LEASE_EXPIRED");
      },
    },
    {
      name: "jobs that were lost are only given for free slots",
      run: async (stage) => {
        await stage.push(stage.items(6));
        await stage.take(6, { leaseMs: stage.shortLeaseMs });
        await stage.loseLeases();
        await stage.maintain();
        await stage.push(stage.items(4));
        // `reserve` itself checks the number of jobs with losses against `free`.
        for (let round = 0; round < 20; round += 1) {
          const { reservations } = await stage.reserve({ max: 10, free: 2 });
          for (const held of reservations) await stage.done(held);
          if (reservations.length === 0) await stage.maintain();
        }
        await stage.nothing();
      },
    },
    {
      name: "a poison job among 100 that were fetched ahead dies alone",
      run: async (stage) => {
        const jobs = stage.items(100);
        const poison = stage.item({ id: "poison" });
        await stage.push([...jobs.slice(0, 50), poison, ...jobs.slice(50)]);
        const starts = await workBesidePoison(stage, "poison", 100);
        assert.equal(deadOf(stage, "poison").failure?.code, "LEASE_EXPIRED");
        assert.equal(stage.died.length, 1, "jobs that died");
        for (const { id } of jobs) {
          const times = starts.get(id) ?? 0;
          // Where a finish is only sent, what was finished shortly before the crash may run again.
          assert.ok(
            times === 1 || (times === 2 && stage.capabilities.finish === "sent"),
            `${id} was started ${times} times`,
          );
        }
        await stage.nothing();
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
  ],
};
