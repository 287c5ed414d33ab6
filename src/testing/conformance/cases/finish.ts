import assert from "node:assert/strict";
import type { FinishItem, StoredJob } from "../../../contract/index.ts";
import type { CaseGroup } from "../case.ts";
import { comesAt } from "../due.ts";
import * as needs from "../requirements.ts";
import { FAILURE } from "../stage.ts";
import type { Stage } from "../stage.ts";

/** The job when it comes again after one release with `changes`. */
async function afterRelease(stage: Stage, changes: Parameters<Stage["release"]>[1]): Promise<StoredJob> {
  await stage.push(stage.item());
  await stage.release(await stage.takeOne(), changes);
  return (await stage.takeOne()).job;
}

function atLeastAttempts(stage: Stage, job: StoredJob, attempts: number): void {
  if (stage.capabilities.attempts === "exact") assert.equal(job.attempts, attempts, "attempts");
  else assert.ok(job.attempts >= 1, "attempts of a job that is reserved");
}

export const finish: CaseGroup = {
  group: "finish",
  cases: [
    {
      name: "a job that is done never comes again",
      run: async (stage) => {
        await stage.push(stage.items(3));
        for (const reservation of await stage.take(3)) await stage.done(reservation);
        await stage.nothing();
        await stage.pass(Math.min(stage.leaseMs, stage.shortLeaseMs) + stage.capabilities.lease.grainMs + 1);
        await stage.nothing();
      },
    },
    {
      name: "a job that is done stays done when its driver dies",
      requires: needs.all(needs.confirmedFinish, needs.shared),
      run: async (stage) => {
        await stage.push(stage.items(2));
        for (const reservation of await stage.take(2, { leaseMs: stage.shortLeaseMs })) await stage.done(reservation);
        await stage.crash();
        await stage.pass(stage.shortLeaseMs + stage.capabilities.lease.grainMs + 1);
        await stage.nothing();
      },
    },
    {
      name: "a released job comes again with one attempt more",
      run: async (stage) => {
        await stage.push(stage.item());
        for (let attempt = 1; attempt <= 4; attempt += 1) {
          const held = await stage.takeOne();
          atLeastAttempts(stage, held.job, attempt);
          assert.equal(held.job.losses, 0, "a release is no loss");
          await stage.release(held);
        }
      },
    },
    {
      name: "a released job keeps the reason and counts what threw",
      run: async (stage) => {
        const job = await afterRelease(stage, { failure: FAILURE, threw: true });
        assert.deepEqual(job.failure, FAILURE);
        assert.equal(job.exceptions, 1, "exceptions");
      },
    },
    {
      name: "the newest reason wins, and a release that did not throw is no exception",
      run: async (stage) => {
        await stage.push(stage.item());
        await stage.release(await stage.takeOne(), { failure: { ...FAILURE, stack: undefined }, threw: true });
        await stage.release(await stage.takeOne(), { failure: { ...FAILURE, message: "second" } });
        await stage.release(await stage.takeOne());
        const { job } = await stage.takeOne();
        assert.equal(job.failure?.message, "second");
        assert.equal(job.exceptions, 1, "exceptions");
      },
    },
    {
      name: "a refund gives the attempt back",
      requires: needs.refund,
      run: async (stage) => {
        assert.equal((await afterRelease(stage, { refund: true })).attempts, 1);
      },
    },
    {
      name: "a driver that declares no refund gives none",
      requires: needs.noRefund,
      run: async (stage) => {
        await stage.push(stage.item());
        const reservation = await stage.takeOne();
        const item: FinishItem = { reservation, outcome: "release", delayMs: 0, refund: true };
        const answer = await stage.finish([item]).catch((error: unknown) => error);
        if (!Array.isArray(answer)) return assert.equal(stage.codeOf(answer), "UNSUPPORTED", "a refund");
        assert.ok((await stage.takeOne()).job.attempts >= 2, "attempts after a refund that is not supported");
      },
    },
    {
      name: "a released job is delayed by the store",
      requires: needs.delays,
      run: async (stage) => {
        await stage.push(stage.item());
        const held = await stage.takeOne();
        const start = stage.clock.monotonic();
        await stage.release(held, { delayMs: stage.delayMs });
        const again = await comesAt(stage, start, stage.delayMs);
        assert.equal(again.job.id, held.job.id);
        await stage.refused(held);
        await stage.done(again);
      },
    },
    {
      name: "a release with a delay is refused where there are none, and the job stays held",
      requires: needs.noDelays,
      run: async (stage) => {
        await stage.push(stage.item());
        const reservation = await stage.takeOne();
        await stage.rejects(
          stage.driver.finish([{ reservation, outcome: "release", delayMs: 1_000 }]),
          "UNSUPPORTED",
          "a release with a delay",
        );
        await stage.nothing();
        await stage.done(reservation);
      },
    },
    {
      name: "a job that failed does not come again",
      run: async (stage) => {
        await stage.push(stage.item());
        await stage.fail(await stage.takeOne());
        await stage.nothing();
        assert.deepEqual(stage.died, [], "died lists only what the store failed by itself");
      },
    },
    {
      name: "double finish: only the first counts, whatever its outcome",
      run: async (stage) => {
        const outcomes: readonly ((stage: Stage, reservation: FinishItem["reservation"]) => Promise<void>)[] = [
          (s, r) => s.done(r),
          (s, r) => s.fail(r),
          (s, r) => s.release(r),
        ];
        for (const first of outcomes) {
          await stage.push(stage.item());
          const held = await stage.takeOne();
          await first(stage, held);
          await stage.refused(held);
        }
        // Only the released one is left.
        assert.equal((await stage.drain(1)).length, 1);
      },
    },
    {
      name: "double finish in one batch: the first is ok, the second lost",
      run: async (stage) => {
        await stage.push(stage.item());
        const reservation = await stage.takeOne();
        const results = await stage.finish([
          { reservation, outcome: "done" },
          { reservation, outcome: "release", delayMs: 0 },
        ]);
        assert.deepEqual(results, ["ok", "lost"]);
        await stage.nothing();
      },
    },
    {
      name: "double finish at the same time: exactly one is ok",
      run: async (stage) => {
        await stage.push(stage.item());
        const reservation = await stage.takeOne();
        const answers = await Promise.all(
          Array.from({ length: 5 }, () => stage.finish([{ reservation, outcome: "done" }])),
        );
        assert.deepEqual(answers.flat().toSorted(), ["lost", "lost", "lost", "lost", "ok"]);
      },
    },
    {
      name: "a batch of all outcomes, one of them stale, answers in order and does each",
      run: async (stage) => {
        await stage.push(stage.items(5));
        const [a, b, c, d, e] = await stage.take(5);
        assert.ok(a && b && c && d && e);
        await stage.done(c);
        const results = await stage.finish([
          { reservation: a, outcome: "done" },
          { reservation: b, outcome: "release", delayMs: 0 },
          { reservation: c, outcome: "done" },
          { reservation: d, outcome: "fail", failure: FAILURE },
          { reservation: e, outcome: "done" },
        ]);
        assert.deepEqual(results, ["ok", "ok", "lost", "ok", "ok"]);
        assert.deepEqual(await stage.drain(1), [b.job.id]);
      },
    },
    {
      name: "a large batch of finishes is answered whole",
      run: async (stage) => {
        await stage.push(stage.items(250));
        const held = await stage.take(250);
        const results = await stage.finish(held.map((reservation) => ({ reservation, outcome: "done" })));
        assert.deepEqual(new Set(results), new Set(["ok"]));
        await stage.nothing();
      },
    },
    {
      name: "a finish whose answer never came is unknown, and repeating it is safe",
      requires: needs.lostAnswers,
      run: async (stage) => {
        const [kept, other] = stage.items(2);
        assert.ok(kept && other);
        await stage.push(kept);
        const reservation = await stage.takeOne({ leaseMs: stage.shortLeaseMs });
        stage.target.loseAnswer?.(stage.driver, "finish");
        assert.deepEqual(await stage.finish([{ reservation, outcome: "done" }]), ["unknown"]);
        await stage.isBack();
        const [again] = await stage.finish([{ reservation, outcome: "done" }]);
        assert.ok(again === "ok" || again === "lost", `the repeated finish answers ${again}`);
        await stage.pass(stage.shortLeaseMs + stage.capabilities.lease.grainMs + 1);
        const ids = await stage.drain(0);
        if (again === "ok" || stage.capabilities.finish === "confirmed")
          assert.deepEqual(ids, [], "a finish that reached the store");
        else assert.ok(ids.length <= 1, "at most the job that may run again");
        await stage.push(other);
        assert.deepEqual(await stage.drain(1), [other.id]);
      },
    },
  ],
};
