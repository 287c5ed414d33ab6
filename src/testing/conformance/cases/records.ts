import assert from "node:assert/strict";
import type { JobFailure, RecordFilter, RecordStore, StoredJob } from "../../../contract/index.ts";
import type { CaseGroup, CaseSpec } from "../case.ts";
import * as needs from "../requirements.ts";
import { FAILURE, QUEUE } from "../stage.ts";
import type { Stage } from "../stage.ts";
import { KEEP_ALL } from "../surroundings.ts";

function recordsOf(stage: Stage): RecordStore {
  return stage.driver.records ?? assert.fail("the driver declares records and has none");
}

async function listAll(stage: Stage, filter: RecordFilter, limit = 3): Promise<readonly StoredJob[]> {
  const jobs: StoredJob[] = [];
  let cursor: string | undefined;
  do {
    const page = await recordsOf(stage).list(filter, { limit, cursor });
    assert.ok(page.jobs.length <= limit, `a page of ${page.jobs.length} for limit ${limit}`);
    jobs.push(...page.jobs);
    cursor = page.cursor;
    assert.ok(jobs.length <= 1_000, "a listing that ends");
  } while (cursor !== undefined);
  return jobs;
}

const idsIn = (jobs: readonly StoredJob[]): readonly string[] => jobs.map(({ id }) => id);

async function failOne(
  stage: Stage,
  changes: Parameters<Stage["item"]>[0],
  failure: JobFailure = FAILURE,
): Promise<string> {
  const item = stage.item(changes);
  await stage.push(item);
  const held = await stage.takeOne({ queues: [item.queue] });
  assert.equal(held.job.id, item.id);
  await stage.fail(held, failure);
  return item.id;
}

/** For each condition: what makes one job match, and the filter that must find this job alone. */
type FilterCase = Readonly<{
  requires?: needs.Requirement;
  prepare: (stage: Stage) => Promise<string>;
  filter: (stage: Stage) => RecordFilter;
}>;
type FilterCases = { readonly [K in keyof RecordFilter]-?: FilterCase };

const pushOne = async (stage: Stage, changes: Parameters<Stage["item"]>[0]): Promise<string> => {
  const item = stage.item(changes);
  await stage.push(item);
  return item.id;
};

const filters: FilterCases = {
  state: {
    requires: needs.failedRecords,
    prepare: (stage) => failOne(stage, {}),
    filter: () => ({ state: "failed" }),
  },
  queue: { prepare: (stage) => pushOne(stage, { queue: "a:b*" }), filter: () => ({ queue: "a:b*" }) },
  name: { prepare: (stage) => pushOne(stage, { name: "send %" }), filter: () => ({ name: "send %" }) },
  tag: {
    prepare: (stage) => pushOne(stage, { tags: { "tenant.id": "é'%" } }),
    filter: () => ({ tag: ["tenant.id", "é'%"] }),
  },
  error: {
    requires: needs.failedRecords,
    prepare: (stage) => failOne(stage, {}, { ...FAILURE, message: "Disk 100% FULL_" }),
    filter: () => ({ error: "100% full_" }),
  },
  before: { prepare: (stage) => pushOne(stage, { createdAt: 1_000 }), filter: () => ({ before: 2_000 }) },
};

const filterCases: readonly CaseSpec[] = Object.entries(filters).map(
  ([name, { requires = needs.records, prepare, filter }]: [string, FilterCase]) => ({
    name: `list by ${name} finds the one that matches`,
    requires,
    run: async (stage: Stage) => {
      const wanted = await prepare(stage);
      await stage.push(stage.items(3, { name: "send x", tags: { "tenant.id": "other", "é'%": "tenant.id" } }));
      await failOne(stage, { queue: "failing" }, { ...FAILURE, code: "TIMEOUT", message: "Disk 1000 FULLX" }).then(
        (id) => recordsOf(stage).remove([id]),
      );
      assert.deepEqual(idsIn(await listAll(stage, filter(stage))), [wanted]);
    },
  }),
);

async function oneInEachState(stage: Stage): Promise<Readonly<Record<string, string>>> {
  const failed = await failOne(stage, {});
  const reserved = await pushOne(stage, {});
  await stage.takeOne();
  const pending = await pushOne(stage, {});
  const states = { failed, reserved, pending };
  return stage.capabilities.delay.support === "unsupported"
    ? states
    : { ...states, delayed: await pushOne(stage, { delayMs: stage.delayMs }) };
}

export const records: CaseGroup = {
  group: "records",
  cases: [
    {
      name: "get finds a job in every state, with its state",
      requires: needs.records,
      run: async (stage) => {
        for (const [state, id] of Object.entries(await oneInEachState(stage))) {
          const job = await recordsOf(stage).get(id);
          assert.equal(job?.id, id, `the ${state} job`);
          assert.equal(job?.state, state);
          assert.deepEqual(idsIn(await listAll(stage, { state: state as StoredJob["state"] })), [id]);
        }
        assert.equal(await recordsOf(stage).get("never pushed"), undefined);
      },
    },
    {
      name: "a failed job is kept with everything there is to know",
      requires: needs.failedRecords,
      run: async (stage) => {
        const before = stage.clock.now();
        const item = stage.item({ tags: { a: "b" }, name: "report" });
        await stage.push(item);
        await stage.release(await stage.takeOne(), { threw: true, failure: { ...FAILURE, message: "first" } });
        await stage.finishOk({ reservation: await stage.takeOne(), outcome: "fail", failure: FAILURE, threw: true });
        const job = (await recordsOf(stage).get(item.id)) ?? assert.fail("the failed job is kept");
        assert.deepEqual([job.attempts, job.losses, job.exceptions], [2, 0, 2]);
        assert.deepEqual(job.failure, FAILURE);
        assert.ok(
          job.finishedAt !== undefined && job.finishedAt >= before - 1 && job.finishedAt <= stage.clock.now() + 1,
          "finishedAt",
        );
        assert.ok(Buffer.compare(job.payload, item.payload) === 0 && Buffer.compare(job.envelope, item.envelope) === 0);
        assert.deepEqual([job.name, job.tags["a"], job.createdAt], ["report", "b", item.createdAt]);
      },
    },
    {
      name: "a job that the store failed is kept as LEASE_EXPIRED",
      requires: needs.failedRecords,
      run: async (stage) => {
        const id = await pushOne(stage, { maxLosses: 1 });
        await stage.takeOne({ leaseMs: stage.shortLeaseMs });
        await stage.loseLeases();
        await stage.nothing();
        const job = await recordsOf(stage).get(id);
        assert.deepEqual([job?.state, job?.failure?.code, job?.losses], ["failed", "LEASE_EXPIRED", 1]);
      },
    },
    ...filterCases,
    {
      name: "all conditions of a filter must hold",
      requires: needs.records,
      run: async (stage) => {
        const wanted = await failOne(stage, { queue: "q", name: "n", tags: { k: "v" } });
        await failOne(stage, { queue: "q", name: "other", tags: { k: "v" } });
        await failOne(stage, { queue: "other", name: "n", tags: { k: "v" } });
        await pushOne(stage, { queue: "q", name: "n", tags: { k: "v" } });
        assert.deepEqual(idsIn(await listAll(stage, { state: "failed", queue: "q", name: "n", tag: ["k", "v"] })), [
          wanted,
        ]);
      },
    },
    {
      name: "failed jobs are listed in the order in which they failed",
      requires: needs.failedRecords,
      run: async (stage) => {
        await stage.push(stage.items(4));
        const [a, b, c, d] = await stage.take(4);
        assert.ok(a && b && c && d);
        for (const reservation of [c, a, d, b]) {
          await stage.pass(2);
          await stage.fail(reservation);
        }
        assert.deepEqual(
          idsIn(await listAll(stage, { state: "failed" }, 1)),
          [c, a, d, b].map(({ job }) => job.id),
        );
      },
    },
    {
      name: "a cursor stays valid while jobs come and go",
      requires: needs.failedRecords,
      run: async (stage) => {
        const stay: string[] = [];
        const go: string[] = [];
        for (let index = 0; index < 6; index += 1) {
          go.push(await failOne(stage, {}));
          stay.push(await failOne(stage, {}));
        }
        const seen: string[] = [];
        let cursor: string | undefined;
        do {
          const page = await recordsOf(stage).list({ state: "failed" }, { limit: 2, cursor });
          seen.push(...idsIn(page.jobs));
          cursor = page.cursor;
          await recordsOf(stage).remove(go.splice(0, 2));
          if (seen.length < 6) await failOne(stage, {});
        } while (cursor !== undefined && seen.length < 100);
        for (const id of stay)
          assert.equal(seen.filter((other) => other === id).length, 1, `${id} is seen exactly once`);
        assert.equal(new Set(seen).size, seen.length, "nothing is seen twice");
      },
    },
    {
      name: "remove takes jobs away that are not held, and counts them",
      requires: needs.records,
      run: async (stage) => {
        const { reserved, ...others } = await oneInEachState(stage);
        assert.ok(reserved !== undefined);
        const ids = Object.values(others);
        assert.equal(await recordsOf(stage).remove([...ids, reserved, "never pushed"]), ids.length);
        for (const id of ids) assert.equal(await recordsOf(stage).get(id), undefined);
        assert.equal((await recordsOf(stage).get(reserved))?.state, "reserved");
        await stage.pass(stage.delayMs + stage.capabilities.delay.precisionMs + 1);
        await stage.nothing();
      },
    },
    {
      name: "remove with a state takes only what is in it",
      requires: needs.records,
      run: async (stage) => {
        const { failed, ...others } = await oneInEachState(stage);
        assert.ok(failed !== undefined);
        assert.equal(await recordsOf(stage).remove([...Object.values(others), failed], "failed"), 1);
        assert.equal(await recordsOf(stage).get(failed), undefined);
        for (const id of Object.values(others)) assert.ok((await recordsOf(stage).get(id)) !== undefined);
      },
    },
    {
      name: "retry brings failed jobs back with all counts at 0, and only those",
      requires: needs.records,
      run: async (stage) => {
        const { failed, ...others } = await oneInEachState(stage);
        assert.ok(failed !== undefined);
        assert.equal(await recordsOf(stage).retry([failed, ...Object.values(others), "never pushed"]), 1);
        const pending = await recordsOf(stage).get(failed);
        assert.deepEqual(
          [pending?.state, pending?.attempts, pending?.losses, pending?.exceptions, pending?.failure],
          ["pending", 0, 0, 0, undefined],
        );
        const got = await stage.take(2);
        const retried = got.find(({ job }) => job.id === failed);
        if (stage.capabilities.fifo) assert.equal(got[1], retried, "behind those that are ready");
        assert.equal(retried?.job.attempts, 1);
      },
    },
    {
      name: "retry wakes a blocked consumer",
      requires: needs.failedRecords,
      run: async (stage) => {
        const id = await failOne(stage, {});
        const request = { queues: [QUEUE], max: 1, leaseMs: stage.leaseMs, waitMs: 600_000 };
        const waiting = stage.driver.reserve(request);
        await stage.pass(1);
        assert.equal(await recordsOf(stage).retry([id]), 1);
        const arrived = await stage.settles(waiting, stage.patienceMs, "a blocked reserve after a retry");
        stage.checkReserved(request, arrived);
        assert.equal(arrived.reservations[0]?.job.id, id);
      },
    },
    {
      name: "promote brings delayed jobs forward, and only those",
      requires: needs.all(needs.records, needs.delays),
      run: async (stage) => {
        const { delayed, ...others } = await oneInEachState(stage);
        assert.ok(delayed !== undefined);
        assert.equal(await recordsOf(stage).promote([delayed, ...Object.values(others), "never pushed"]), 1);
        const got = await stage.take(2);
        const promoted = got.find(({ job }) => job.id === delayed);
        assert.ok(promoted, "the promoted job comes");
        if (stage.capabilities.fifo) assert.equal(got[1], promoted, "behind those that are ready");
        await stage.pass(stage.delayMs + stage.capabilities.delay.precisionMs + 1);
        await stage.nothing();
      },
    },
    {
      name: "completed jobs are not kept unless asked for",
      requires: needs.records,
      run: async (stage) => {
        const id = await pushOne(stage, {});
        await stage.done(await stage.takeOne());
        assert.equal(await recordsOf(stage).get(id), undefined);
      },
    },
    {
      name: "completed jobs are kept with their result when asked for",
      requires: needs.records,
      retention: { completed: KEEP_ALL },
      run: async (stage) => {
        const id = await pushOne(stage, {});
        const result = Uint8Array.of(0, 255, 128);
        await stage.finishOk({ reservation: await stage.takeOne(), outcome: "done", result });
        const job = await recordsOf(stage).get(id);
        assert.equal(job?.state, "completed");
        assert.deepEqual(new Uint8Array(job?.result ?? []), result);
        assert.notEqual(job?.finishedAt, undefined);
        assert.deepEqual(idsIn(await listAll(stage, { state: "completed" })), [id]);
        if (stage.capabilities.pushById)
          assert.equal(
            (await stage.tryPush([stage.item({ id })]))[0]?.status,
            "exists",
            "a completed job that is kept has its id",
          );
      },
    },
    {
      name: "only so many finished jobs stay: the newest",
      requires: needs.records,
      retention: { completed: { count: 2, ageMs: Infinity }, failed: { count: 3, ageMs: Infinity } },
      run: async (stage) => {
        const failed: string[] = [];
        for (let index = 0; index < 5; index += 1) {
          await stage.pass(2);
          failed.push(await failOne(stage, {}));
          await pushOne(stage, {});
          await stage.done(await stage.takeOne());
        }
        await stage.maintain();
        assert.deepEqual(idsIn(await listAll(stage, { state: "failed" })), failed.slice(2));
        assert.equal((await listAll(stage, { state: "completed" })).length, 2);
        if (stage.capabilities.stats.completed === "exact")
          assert.equal((await stage.driver.stats()).completed, 5, "pruning uncounts nothing");
      },
    },
    {
      name: "maintain prunes at most max at once and tells how many, so that nothing stays when it is repeated",
      requires: needs.records,
      retention: { completed: { count: 2, ageMs: Infinity } },
      run: async (stage) => {
        await stage.push(stage.items(12));
        for (const held of await stage.take(12)) await stage.done(held);
        // Some prune as soon as a job comes to rest.
        for (let left = (await listAll(stage, { state: "completed" })).length; left > 2;) {
          const { pruned } = await stage.maintain(stage.driver, 3);
          assert.ok(pruned <= 3, `maintain with max 3 pruned ${pruned}`);
          const after = (await listAll(stage, { state: "completed" })).length;
          assert.equal(after, left - pruned, `maintain told that ${pruned} of ${left} jobs went`);
          assert.ok(pruned === 3 || after === 2, `with max 3 only ${pruned} of ${left} jobs went, and 2 may stay`);
          left = after;
        }
        assert.equal((await stage.maintain()).pruned, 0, "jobs that are pruned when none is too many");
      },
    },
    {
      name: "those that prune at once, also in two processes, leave as many as may stay",
      requires: needs.records,
      retention: { completed: { count: 3, ageMs: Infinity } },
      run: async (stage) => {
        const second = stage.capabilities.shared ? await stage.second() : stage.driver;
        await stage.push(stage.items(30));
        for (const held of await stage.take(30)) await stage.done(held);
        for (let pruned = 1; pruned > 0;) {
          const told = await Promise.all([
            stage.maintain(stage.driver, 4),
            stage.maintain(second, 4),
            stage.maintain(),
          ]);
          pruned = told.reduce((sum, each) => sum + each.pruned, 0);
          const left = (await listAll(stage, { state: "completed" })).length;
          assert.ok(left >= 3, `${left} of 3 that may stay are left`);
        }
        assert.equal((await listAll(stage, { state: "completed" })).length, 3);
        if (stage.capabilities.stats.completed === "exact")
          assert.equal((await stage.driver.stats()).completed, 30, "pruning uncounts nothing");
      },
    },
    {
      name: "finished jobs stay only so long",
      requires: needs.all(needs.records, needs.virtualTime),
      retention: { completed: { count: Infinity, ageMs: 60_000 }, failed: { count: Infinity, ageMs: 120_000 } },
      run: async (stage) => {
        const failed = await failOne(stage, {});
        const completed = await pushOne(stage, {});
        await stage.done(await stage.takeOne());
        await stage.pass(61_000);
        await stage.maintain();
        assert.equal(await recordsOf(stage).get(completed), undefined, "completed, too old");
        assert.equal((await recordsOf(stage).get(failed))?.state, "failed", "failed, young enough");
        await stage.pass(60_000);
        await stage.maintain();
        assert.equal(await recordsOf(stage).get(failed), undefined, "failed, too old");
      },
    },
  ],
};
