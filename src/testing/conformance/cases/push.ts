import assert from "node:assert/strict";
import type { PushItem, PushResult } from "../../../contract/index.ts";
import type { CaseGroup } from "../case.ts";
import { lookBefore } from "../due.ts";
import * as needs from "../requirements.ts";
import { noise } from "../samples.ts";
import { idsOf, QUEUE } from "../stage.ts";
import type { Stage } from "../stage.ts";

const statuses = (results: readonly PushResult[]): readonly string[] => results.map(({ status }) => status);

/** Something that this driver must refuse for one job alone; undefined where it takes everything. */
function badItem(stage: Stage): PushItem | undefined {
  const { payload, delay, priority } = stage.capabilities;
  if (payload.maxBytes <= needs.LARGEST_TESTED_PAYLOAD) return stage.item({ payload: noise(payload.maxBytes + 1) });
  if (delay.support === "unsupported") return stage.item({ delayMs: 1_000 });
  if (priority.max < Number.MAX_SAFE_INTEGER) return stage.item({ priority: priority.max + 1 });
  return undefined;
}

async function existsStill(stage: Stage, item: PushItem, state: string): Promise<void> {
  const again = { ...stage.item({ delayMs: 0 }), id: item.id };
  assert.deepEqual(statuses(await stage.tryPush([again])), ["exists"], `push of the id of a ${state} job`);
}

export const push: CaseGroup = {
  group: "push",
  cases: [
    {
      name: "every stored job can be reserved once",
      run: async (stage) => {
        const items = stage.items(25);
        await stage.push(items);
        const got = idsOf(await stage.take(25));
        assert.deepEqual([...got].toSorted(), items.map(({ id }) => id).toSorted());
        await stage.nothing();
      },
    },
    {
      name: "pushes at the same time are all stored",
      run: async (stage) => {
        const items = stage.items(60);
        await Promise.all(items.map((item) => stage.push(item)));
        const drained = await stage.drain(items.length);
        assert.deepEqual([...drained].toSorted(), items.map(({ id }) => id).toSorted());
      },
    },
    {
      name: "one bad job in a batch is refused alone, and the answers keep the order",
      run: async (stage) => {
        const bad = badItem(stage);
        const items = bad === undefined ? stage.items(5) : [...stage.items(2), bad, ...stage.items(2)];
        const wanted = items.map((item) => (item === bad ? "refused" : "stored"));
        assert.deepEqual(statuses(await stage.tryPush(items)), wanted);
        const stored = items.filter((item) => item !== bad).map(({ id }) => id);
        const drained = await stage.drain(stored.length);
        assert.deepEqual([...drained].toSorted(), stored.toSorted());
      },
    },
    {
      name: "a batch of the declared size is stored",
      run: async (stage) => {
        const count = Math.min(stage.capabilities.batch.maxItems, 500);
        const items = stage.items(count);
        assert.deepEqual(new Set(statuses(await stage.tryPush(items))), new Set(["stored"]));
        assert.equal((await stage.take(count)).length, count);
      },
    },
    {
      name: "pushing an id that is kept changes nothing, whatever its state",
      requires: needs.pushById,
      run: async (stage) => {
        const pending = stage.item();
        await stage.push(pending);
        await existsStill(stage, pending, "pending");
        const held = await stage.takeOne();
        assert.deepEqual(held.job.payload, pending.payload, "the first payload stays");
        await existsStill(stage, pending, "reserved");
        await stage.nothing();
        await stage.fail(held);
        if (stage.capabilities.failedJobs) await existsStill(stage, pending, "failed");
        if (stage.capabilities.delay.support === "unsupported") return;
        const delayed = stage.item({ delayMs: stage.delayMs });
        const start = stage.clock.monotonic();
        await stage.push(delayed);
        await existsStill(stage, delayed, "delayed");
        await lookBefore(stage, start + stage.delayMs);
      },
    },
    {
      name: "the same id twice in one batch is stored once",
      requires: needs.pushById,
      run: async (stage) => {
        const [first, other] = stage.items(2);
        assert.ok(first && other);
        const twin = { ...stage.item(), id: first.id };
        assert.deepEqual(statuses(await stage.tryPush([first, twin, other])), ["stored", "exists", "stored"]);
        const got = await stage.take(2);
        assert.deepEqual(got.find(({ job }) => job.id === first.id)?.job.payload, first.payload);
        await stage.nothing();
      },
    },
    {
      name: "the same id from many at once is stored once",
      requires: needs.pushById,
      run: async (stage) => {
        const item = stage.item();
        const answers = (await Promise.all(Array.from({ length: 8 }, () => stage.tryPush([item])))).flatMap(statuses);
        assert.deepEqual(answers.toSorted(), [...Array.from({ length: 7 }, () => "exists"), "stored"]);
        await stage.takeOne();
        await stage.nothing();
      },
    },
    {
      name: "an id is free again when its job is done and not kept",
      requires: needs.pushById,
      run: async (stage) => {
        const item = stage.item();
        await stage.push(item);
        await stage.done(await stage.takeOne());
        await stage.push(item);
        assert.equal((await stage.takeOne()).job.attempts, 1, "attempts of the new job");
      },
    },
    {
      name: "a driver that does not push by id never answers exists",
      requires: needs.noPushById,
      run: async (stage) => {
        const item = stage.item();
        await stage.push(item);
        assert.deepEqual(statuses(await stage.tryPush([item])), ["stored"], "the second push of the id");
        assert.deepEqual(statuses(await stage.tryPush([item, item])), ["stored", "stored"], "twice in one batch");
      },
    },
    {
      name: "a payload of the declared limit is stored, one byte more is refused",
      requires: needs.payloadLimit,
      run: async (stage) => {
        const { maxBytes } = stage.capabilities.payload;
        await stage.refusesPush(
          stage.item({ payload: noise(maxBytes + 1) }),
          "PAYLOAD_TOO_LARGE",
          `a payload of ${maxBytes + 1} bytes`,
        );
        const largest = stage.item({ payload: noise(maxBytes) });
        await stage.push(largest);
        const { job } = await stage.takeOne();
        assert.ok(Buffer.compare(job.payload, largest.payload) === 0, `${maxBytes} bytes come back as they were`);
      },
    },
    {
      name: "an answer that never came is unknown, and the job is there or not but never twice by id",
      requires: needs.lostAnswers,
      run: async (stage) => {
        const item = stage.item();
        stage.target.loseAnswer?.(stage.driver, "push");
        assert.deepEqual(statuses(await stage.tryPush([item])), ["unknown"]);
        await stage.isBack();
        if (!stage.capabilities.pushById) return;
        const [again] = statuses(await stage.tryPush([item]));
        assert.ok(again === "stored" || again === "exists", `the repeated push answers ${again}`);
        assert.deepEqual(await stage.drain(1), [item.id]);
      },
    },
    {
      name: "a batch up to the atomic size is stored all or none, when its answer is lost",
      requires: needs.all(needs.lostAnswers, needs.atomicBatches),
      run: async (stage) => {
        const items = stage.items(Math.min(stage.capabilities.batch.atomic, 20));
        stage.target.loseAnswer?.(stage.driver, "push");
        const answers = new Set(statuses(await stage.tryPush(items)));
        assert.deepEqual(answers, new Set(["unknown"]));
        await stage.isBack();
        const stored = (await stage.takeUpTo(items.length)).length;
        assert.ok(stored === 0 || stored === items.length, `${stored} of ${items.length} are stored`);
      },
    },
    {
      name: "a push in the user's transaction is stored with it or not at all",
      requires: needs.transactions,
      run: async (stage) => {
        const { target, driver } = stage;
        assert.ok(target.transact, "the driver declares transactions, so the target must offer `transact`");
        const [dropped, kept] = stage.items(2);
        assert.ok(dropped && kept);
        const pushIn =
          (item: PushItem) =>
          async (transaction: unknown): Promise<void> => {
            const results = await driver.push([item], { transaction: transaction as never });
            assert.deepEqual(statuses(results), ["stored"]);
          };
        await target.transact(driver, pushIn(dropped), "rollback");
        await stage.nothing();
        await target.transact(driver, pushIn(kept), "commit");
        assert.equal((await stage.takeOne()).job.id, kept.id);
        await stage.nothing();
      },
    },
    {
      name: "a driver without transactions refuses one",
      requires: needs.noTransactions,
      run: async (stage) => {
        await stage.rejects(
          stage.driver.push([stage.item()], { transaction: {} as never }),
          "UNSUPPORTED",
          "push in a transaction",
        );
        await stage.nothing({ queues: [QUEUE] });
      },
    },
  ],
};
