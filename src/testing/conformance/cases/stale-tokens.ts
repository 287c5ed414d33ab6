import assert from "node:assert/strict";
import type { Reservation } from "../../../contract/index.ts";
import type { CaseSpec } from "../case.ts";
import * as needs from "../requirements.ts";
import { QUEUE } from "../stage.ts";
import type { Stage } from "../stage.ts";
import { loseOnce } from "./lose-once.ts";

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

/** Each way in which a reservation becomes stale: whoever still holds it changes nothing any more. */
export const staleTokens: readonly CaseSpec[] = [
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
      assert.deepEqual(await stage.drain(1), [stale.job.id]);
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
];
