import assert from "node:assert/strict";
import type { Reservation, StoredJob } from "../../../contract/index.ts";
import type { CaseSpec } from "../case.ts";
import { QUEUE, type Stage } from "../stage.ts";
import { loseOnce } from "./lose-once.ts";

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
    const since = stage.clock.monotonic();
    const { reservations } = await stage.reserve({ max: 100, free: 1, leaseMs: stage.shortLeaseMs });
    if (reservations.length === 0) await stage.maintain();
    await runInTurn(stage, poison, { reservations, since }, starts);
  }
  return starts;
}

type Fetched = Readonly<{ reservations: readonly Reservation[]; since: number }>;

/** As workers do in half of a lease: in real time a hundred calls one after the other may take longer than a short one. Since when the leases count then. */
async function extended(stage: Stage, { reservations, since }: Fetched): Promise<number> {
  const { ends, extend } = stage.capabilities.lease;
  const now = stage.clock.monotonic();
  if (stage.isVirtual || ends === "connection" || extend === "unsupported") return since;
  if (now - since < stage.shortLeaseMs / 2) return since;
  await stage.extend(reservations, stage.shortLeaseMs);
  return now;
}

async function runInTurn(
  stage: Stage,
  poison: string,
  { reservations, since }: Fetched,
  starts: Map<string, number>,
): Promise<void> {
  let countsSince = since;
  for (const [index, held] of reservations.entries()) {
    countsSince = await extended(stage, { reservations: reservations.slice(index), since: countsSince });
    starts.set(held.job.id, (starts.get(held.job.id) ?? 0) + 1);
    if (held.job.id === poison) return stage.loseLeases();
    assert.ok(held.job.losses <= 1, `neighbour ${held.job.id} was lost ${held.job.losses} times`);
    await stage.done(held);
  }
}

/** How lost leases are counted, and what becomes of jobs that lose too many. */
export const losses: readonly CaseSpec[] = [
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
      const queues = [QUEUE, "other"];
      await stage.push([...stage.items(3), ...stage.items(3, { queue: "other" })]);
      for (const queue of queues) await stage.take(3, { queues: [queue], leaseMs: stage.shortLeaseMs });
      await stage.loseLeases();
      await stage.maintain();
      await stage.push(stage.items(4));
      // `reserve` itself checks the number of jobs with losses, of both queues together, against `free`.
      let ended = 0;
      for (let round = 0; round < 40 && ended < 10; round += 1) {
        const { reservations } = await stage.reserve({ queues, max: 10, free: round % 2 === 0 ? 2 : 0 });
        for (const held of reservations) await stage.done(held);
        ended += reservations.length;
        if (reservations.length === 0) await stage.maintain();
      }
      assert.equal(ended, 10, "jobs that came for two free slots at a time");
      await stage.nothing({ queues });
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
];
