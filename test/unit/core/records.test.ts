import { describe, expect, test } from "vitest";
import { createJob, type Queue } from "../../../src/core/index.ts";
import { FakeDriver } from "./fake-driver.ts";
import { codeOf, errorOf, popOne, type Stage, stageOn } from "./stage.ts";

async function withFailed(count: number): Promise<Stage<FakeDriver>> {
  const stage = stageOn(new FakeDriver());
  await stage.queue.pushBatch(Array.from({ length: count }, (_, i) => createJob(i, { id: `job-${i}` })));
  const jobs = await stage.queue.popBatch(count);
  await Promise.all(jobs.map((job, i) => job.fail(new Error(i % 2 === 0 ? "Timeout of upstream" : "no such user"))));
  return stage;
}

async function idsOf(
  queue: Queue<string>,
  filter: Parameters<Queue["records"]["list"]>[0],
): Promise<readonly string[]> {
  return (await queue.records.list(filter)).jobs.map(({ id }) => id);
}

test("a record has everything that is known of a job, in every state", async () => {
  const { queue, clock } = stageOn(new FakeDriver(), { keepCompleted: true });
  await queue.push(createJob({ a: 1 }, { id: "x", name: "mail", tags: { to: "me" }, delay: "1m", maxAttempts: 5 }));
  const pushedAt = clock.now();
  const base = {
    id: "x",
    name: "mail",
    queue: "default",
    payload: { a: 1 },
    tags: { to: "me" },
    maxAttempts: 5,
    createdAt: pushedAt,
  };
  expect(await queue.records.get("x")).toMatchObject({
    ...base,
    state: "delayed",
    availableAt: pushedAt + 60_000,
    reservedAt: undefined,
  });
  await clock.advance("1m");
  expect(await queue.records.get("x")).toMatchObject({ ...base, state: "pending", attempts: 0 });
  const job = await popOne(queue);
  expect(await queue.records.get("x")).toMatchObject({
    ...base,
    state: "reserved",
    attempts: 1,
    reservedAt: clock.now(),
  });
  await clock.advance(5);
  await job.complete({ sent: true });
  expect(await queue.records.get("x")).toMatchObject({
    ...base,
    state: "completed",
    result: { sent: true },
    finishedAt: clock.now(),
  });
  expect(await queue.records.get("y")).toBeUndefined();
});

test("each filter alone and all together", async () => {
  const { queue, clock } = stageOn(new FakeDriver());
  await queue.push(createJob(1, { id: "a", queue: "mail", name: "send", tags: { user: "7" } }));
  await clock.advance(10);
  const between = new Date(clock.now());
  await queue.push(createJob(1, { id: "b", queue: "mail", name: "bounce", tags: { user: "8" } }));
  await queue.push(createJob(1, { id: "c", queue: "cron", name: "send", delay: "1h" }));
  await queue.push(createJob(1, { id: "d", queue: "fail" }));
  await (await popOne(queue, { queue: "fail" })).fail(new Error("ÜBER 100 % quota"));
  const cases: readonly (readonly [Parameters<Queue["records"]["list"]>[0], readonly string[]])[] = [
    [{}, ["a", "b", "c", "d"]],
    [{ queue: "mail" }, ["a", "b"]],
    [{ name: "send" }, ["a", "c"]],
    [{ tag: ["user", "8"] }, ["b"]],
    [{ tag: ["constructor", "8"] }, []],
    [{ state: "pending" }, ["a", "b"]],
    [{ state: "delayed" }, ["c"]],
    [{ state: "failed" }, ["d"]],
    [{ state: "completed" }, []],
    [{ before: between }, ["a"]],
    [{ error: "quota" }, ["d"]],
    [{ error: "handler_failed" }, ["d"]],
    [{ error: "100 %" }, ["d"]],
    [{ error: "_00" }, []],
    [{ queue: "mail", name: "send", tag: ["user", "7"], state: "pending", before: between }, ["a"]],
    [{ queue: "mail", name: "send", tag: ["user", "8"] }, []],
  ];
  for (const [filter, ids] of cases) expect(await idsOf(queue, filter), JSON.stringify(filter)).toEqual(ids);
});

test("pages by cursor give each job once, oldest first", async () => {
  const { queue } = await withFailed(25);
  const seen: string[] = [];
  let cursor: string | undefined;
  let pages = 0;
  do {
    const page = await queue.records.list({ state: "failed" }, { limit: 10, cursor });
    seen.push(...page.jobs.map(({ id }) => id));
    cursor = page.cursor;
    pages += 1;
  } while (cursor !== undefined);
  expect(seen).toEqual(Array.from({ length: 25 }, (_, i) => `job-${i}`));
  expect(pages).toBeLessThanOrEqual(4);
});

describe("retry, remove and promote", () => {
  test("by ids, telling how many; unknown and unfit ones count nothing", async () => {
    const { queue } = await withFailed(3);
    await queue.push(createJob(1, { id: "late", delay: "1h" }));
    expect(await queue.records.retry(["job-0", "nope", "late", "job-0"])).toBe(1);
    expect(await queue.records.promote(["late", "job-1"])).toBe(1);
    expect(await queue.records.remove(["job-1", "job-2", "nope"])).toBe(2);
    expect(await queue.getStats()).toMatchObject({ pendingJobs: 2, failedJobs: 0, delayedJobs: 0 });
    expect(await queue.records.get("job-0")).toMatchObject({
      state: "pending",
      attempts: 0,
      losses: 0,
      exceptions: 0,
      failure: undefined,
    });
    await popOne(queue);
    expect(await queue.records.remove(["late", "job-0"]), "one of them is reserved").toBe(1);
  });

  test("by filter, in chunks", async () => {
    const { driver, queue } = await withFailed(1_201);
    const { records: store } = driver;
    if (store === undefined) throw new Error("no records");
    const chunks: number[] = [];
    const retry = store.retry.bind(store);
    store.retry = async (ids) => {
      chunks.push(ids.length);
      return retry(ids);
    };
    expect(await queue.records.retry({ error: "upstream" })).toBe(601);
    expect(Math.max(...chunks)).toBeLessThanOrEqual(500);
    expect(await queue.getStats()).toMatchObject({ pendingJobs: 601, failedJobs: 600 });
    expect(await queue.records.remove({ state: "failed" })).toBe(600);
    expect(await queue.records.remove({})).toBe(601);
    expect(await queue.size()).toBe(0);
  });

  test("a filter for another state is refused; so are wrong arguments", async () => {
    const { queue } = await withFailed(1);
    const { records } = queue;
    expect((await errorOf(records.retry({ state: "pending" }))).message).toContain(
      'filter.state is "pending"; it must be "failed" here',
    );
    expect((await errorOf(records.promote({ state: "failed" }))).message).toContain('must be "delayed" here');
    const bad: (() => Promise<unknown>)[] = [
      () => records.retry(undefined as never),
      () => records.remove("job-0" as never),
      () => records.remove([1] as never),
      () => records.get(1 as never),
      () => records.list({ stat: "failed" } as never),
      () => records.list({ state: "dead" } as never),
      () => records.list({ queue: "" }),
      () => records.list({ name: " " }),
      () => records.list({ tag: ["a"] } as never),
      () => records.list({ tag: { a: "b" } } as never),
      () => records.list({ before: 5 } as never),
      () => records.list({ before: new Date(Number.NaN) }),
      () => records.list({ error: /x/ } as never),
      () => records.list({}, { limit: 0 }),
      () => records.list({}, { limit: 1_001 }),
      () => records.list({}, { page: 2 } as never),
      () => records.list({}, { cursor: "nonsense" }),
      () => records.list(null as never),
      () => records.remove(null as never),
      () => records.remove({ state: "late" as never }),
    ];
    for (const [i, act] of bad.entries()) expect(await codeOf(act), String(i)).toBe("INVALID_ARGUMENT");
    expect((await queue.getStats()).failedJobs).toBe(1);
  });

  test("retry by filter ends although the jobs fail again at once", async () => {
    const { driver, queue } = await withFailed(700);
    const { records } = driver;
    if (records === undefined) throw new Error("no records");
    const retry = records.retry.bind(records);
    records.retry = async (ids) => {
      const done = await retry(ids);
      const jobs = await queue.popBatch(10_000);
      await Promise.all(jobs.map((job) => job.fail(new Error("again"))));
      return done;
    };
    expect(await queue.records.retry({})).toBeLessThanOrEqual(1_200);
    expect((await queue.getStats()).failedJobs).toBe(700);
  });
});

test.each([
  ["flushFailed", (queue: Queue<string>) => queue.flushFailed()],
  ["remove by a filter", (queue: Queue<string>) => queue.records.remove({ state: "failed" })],
])("%s leaves a job alone that is retried between its listing and its end", async (_, flush) => {
  const { driver, queue } = await withFailed(2);
  const { records } = driver;
  if (records === undefined) throw new Error("it has records");
  const remove = records.remove.bind(records);
  records.remove = async (ids, state) => {
    await records.retry(["job-1"]);
    return remove(ids, state);
  };
  expect(await flush(queue)).toBe(1);
  expect((await queue.records.list()).jobs.map(({ id, state }) => [id, state])).toEqual([["job-1", "pending"]]);
});
