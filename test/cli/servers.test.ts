import { afterAll, describe, expect, test } from "vitest";
import { withHandlers } from "./handlers.ts";
import { dataOf, type Ended, errorOf, Sandbox } from "./run-cli.ts";
import { serverStores } from "./server-stores.ts";

type Stats = Readonly<{ total: Readonly<Record<string, number | null>>; queues: readonly { queue: string }[] }>;

/** A broker starts slowly, and lets a new queue settle for seconds. */
const SLOW = 120_000;
const LINES = [
  '{"payload":1}',
  '{"payload":{"fail":"no good"},"maxAttempts":1,"id":"bad"}',
  '{"payload":{"fail":"even less"},"maxAttempts":1,"id":"worse"}',
  '{"payload":2,"delay":"2m"}',
];

const stores = await serverStores();
afterAll(() => Promise.all(stores.map(({ end }) => end())));

describe.each(stores)("$title", ({ env, records, pause, pushById }) => {
  test("from push to flush", { timeout: SLOW }, async () => {
    const sandbox = withHandlers(env);
    const push = ["push", "--file", "-", "--queue", "mails"];
    expect(await sandbox.data(push, LINES.join("\n"))).toMatchObject({ pushed: 4, lastLine: 4 });
    await expectStats(sandbox, "mails", { pendingJobs: 3, delayedJobs: 1, failedJobs: 0 });

    const work = ["work", "--handlers", "handlers.ts", "--queue", "mails", "--stop-when-empty", "--json", "--quiet"];
    const worked = await sandbox.run(work);
    expect(dataOf(worked)).toMatchObject({ reason: "empty", completed: 1, failedAttempts: 2, dead: 2 });
    expect(eventsOf(worked)).toContainEqual(expect.objectContaining({ event: "dead", id: "bad", level: "warning" }));
    await expectStats(sandbox, "mails", { pendingJobs: 0, delayedJobs: 1, failedJobs: 2 });

    if (records === "none") await expectNoSingleJobs(sandbox);
    else await expectSingleJobs(sandbox);
    expect(await sandbox.data(["retry", "--queue", "mails", "--max", "1"])).toEqual({ retried: 1 });
    await expectStats(sandbox, "mails", { pendingJobs: 1, failedJobs: 1 });
    expect(dataOf(await sandbox.run(work))).toMatchObject({ dead: 1 });

    expect(errorOf(await sandbox.inside(["flush"]))).toMatchObject({ code: "NOT_CONFIRMED" });
    await expectStats(sandbox, "mails", { failedJobs: 2 });
    expect(await sandbox.data(["flush", "--queue", "mails", "--yes"])).toEqual({ removed: 2 });
    await expectStats(sandbox, "mails", { failedJobs: 0, delayedJobs: 1 });
    expect(await sandbox.data(["clear", "mails", "--yes"])).toEqual({ queue: "mails", removed: 1 });
    await expectStats(sandbox, "mails", { pendingJobs: 0, delayedJobs: 0 });
  });

  test("pause and resume, or what to do instead", { timeout: SLOW }, async () => {
    const sandbox = new Sandbox(env);
    await sandbox.data(["push", "x", "--queue", "mails"]);
    if (pause) {
      expect(await sandbox.data(["pause", "mails"])).toEqual({ queues: ["mails"], paused: true });
      expect(await sandbox.data(["stats", "mails"])).toMatchObject({ queues: [{ paused: true }] });
      expect(await sandbox.data(["resume", "--all"])).toMatchObject({ paused: false });
    } else {
      for (const args of [
        ["pause", "mails"],
        ["pause", "--all"],
        ["resume", "mails"],
      ]) {
        const refused = await sandbox.inside(args);
        expect(refused.code).toBe(2);
        expect(errorOf(refused)).toMatchObject({ code: "UNSUPPORTED", message: expect.stringContaining("SIGTSTP") });
      }
    }
    await sandbox.data(["clear", "mails", "--yes"]);
  });

  test("doctor and bench leave nothing to see; top", { timeout: SLOW }, async () => {
    const sandbox = new Sandbox(env);
    for (let run = 1; run <= 2; run += 1) {
      expect(await sandbox.data(["doctor"])).toMatchObject({ ok: true });
      const measured = await sandbox.data(["bench", "--jobs", "100", "--samples", "5"]);
      expect(measured).toMatchObject({ jobs: 100, processPerSecond: expect.any(Number) as number });
    }
    const { queues } = (await sandbox.data(["stats"])) as Stats;
    expect(queues.filter(({ queue }) => queue.startsWith("jobferry-"))).toEqual([]);
    for (const name of ["jobferry-bench", "jobferry-doctor"]) {
      expect(await sandbox.data(["stats", name])).toMatchObject({ total: { pendingJobs: 0, delayedJobs: 0 } });
    }
    const top = await sandbox.inside(["top", "--count", "2", "--interval", "100ms"]);
    expect(top).toMatchObject({ code: 0, stderr: "" });
    expect(top.stdout.trimEnd().split("\n")).toHaveLength(2);
  });

  test("what is not there, and what this backend has no use for", { timeout: SLOW }, async () => {
    const sandbox = new Sandbox(env);
    expect(await sandbox.inside(["stats", "nope"])).toMatchObject({ code: 4 });
    expect(await sandbox.inside(["clear", "nope", "--yes"])).toMatchObject({ code: 4 });
    const resumed = await sandbox.inside(["push", "--file", "-", "--resume"], LINES[0]);
    expect(errorOf(resumed)).toMatchObject({ code: "UNSUPPORTED" });
    expect(String(errorOf(resumed)["message"]).includes("give each line an id")).toBe(pushById);
    const quorum = await sandbox.inside(["push", "x", "--durability", "quorum"]);
    expect(quorum.code).toBe(2);
    const partitions = await sandbox.inside(["stats", "--partitions", "3"]);
    expect(partitions.code).not.toBe(0);
  });
});

test("migrate: the SQL first, then the tables, then nothing to do", { timeout: SLOW }, async () => {
  for (const { title, env } of stores) {
    const sandbox = new Sandbox(env);
    if (title !== "postgres") {
      expect(errorOf(await sandbox.inside(["migrate"]))).toMatchObject({ code: "INVALID_ARGUMENT" });
      continue;
    }
    const migrate = ["migrate", "--schema", "by_hand"];
    const planned = (await sandbox.data([...migrate, "--dry-run"])) as Readonly<{ changed: boolean; sql: string }>;
    expect(planned.changed).toBe(false);
    expect(planned.sql).toMatch(/CREATE TABLE/);
    expect(await sandbox.data(migrate)).toMatchObject({ changed: true });
    expect(await sandbox.data(migrate)).toEqual({ changed: false, sql: "" });
    const there = new Sandbox({ JOBFERRY_URL: `${String(env["JOBFERRY_URL"])}?schema=by_hand` });
    expect(await there.data(["stats"])).toMatchObject({ total: { pendingJobs: 0 } });
  }
});

async function expectSingleJobs(sandbox: Sandbox): Promise<void> {
  const failed = (await sandbox.data(["failed", "--queue", "mails"])) as readonly Readonly<{ id: string }>[];
  expect(failed.map(({ id }) => id).toSorted()).toEqual(["bad", "worse"]);
  expect(await sandbox.data(["failed", "--error", "no good"])).toMatchObject([{ id: "bad" }]);
  expect(await sandbox.data(["failed", "bad"])).toMatchObject({ state: "failed", failure: { message: "no good" } });
  expect(await sandbox.data(["jobs", "--state", "failed"])).toHaveLength(2);
  expect(await sandbox.inside(["retry", "nope"])).toMatchObject({ code: 4 });
  expect(await sandbox.inside(["retry", "bad", "--max", "1"])).toMatchObject({ code: 2 });
  expect(await sandbox.data(["retry", "bad"])).toEqual({ retried: 1 });
  // It fails again, and both are there for what follows.
  const work = ["work", "--handlers", "handlers.ts", "--queue", "mails", "--stop-when-empty", "--json"];
  expect(dataOf(await sandbox.run(work))).toMatchObject({ dead: 1 });
}

async function expectNoSingleJobs(sandbox: Sandbox): Promise<void> {
  const refused = [["jobs"], ["failed"], ["failed", "bad"], ["retry", "bad"], ["retry", "--error", "x"]];
  for (const args of [...refused, ["forget", "bad"], ["flush", "--older-than", "1d", "--yes"]]) {
    const result = await sandbox.inside(args);
    expect(result, args.join(" ")).toMatchObject({ code: 2, stdout: "" });
    expect(errorOf(result)).toMatchObject({ code: "UNSUPPORTED" });
    expect(errorOf(result)["message"]).toMatch(/jobferry retry --all.*jobferry flush.*--records/);
  }
}

/** A broker's counts come a moment after what they count. */
async function expectStats(sandbox: Sandbox, queue: string, wanted: Readonly<Record<string, number>>): Promise<void> {
  const found = async (): Promise<Stats["total"]> => ((await sandbox.data(["stats", queue])) as Stats).total;
  await expect.poll(found, { timeout: 10_000, interval: 200 }).toMatchObject(wanted);
}

function eventsOf({ stderr }: Ended): readonly unknown[] {
  return stderr
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
}
