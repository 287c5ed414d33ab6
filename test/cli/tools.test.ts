import { readdirSync, writeFileSync } from "node:fs";
import { createJob } from "jobferry";
import { sqliteQueue } from "jobferry/sqlite";
import { describe, expect, test } from "vitest";
import { errorOf, Sandbox } from "./run-cli.ts";

type Checks = Readonly<{ ok: boolean; checks: readonly Readonly<{ name: string; status: string; message: string }>[] }>;

describe("doctor", () => {
  test("a sound queue: every check, 0, and no job left behind", async () => {
    const sandbox = new Sandbox();
    await sandbox.data(["push", "x"]);
    const { ok, checks } = (await sandbox.data(["doctor"])) as Checks;
    expect(ok).toBe(true);
    expect(checks.map(({ name, status }) => `${name} ${status}`)).toEqual([
      ...["node ok", "open ok", "durability ok", "round trip ok", "paused queues ok", "oldest pending job ok"],
      ...["failed jobs ok", "file ok", "disk space ok", "write-ahead log ok"],
    ]);
    expect(await sandbox.data(["jobs"])).toHaveLength(1);
  });

  test("nothing of it shows afterwards, but for whoever asks for its queue by name", async () => {
    const sandbox = new Sandbox();
    await sandbox.data(["push", "x"]);
    await sandbox.data(["doctor"]);
    const { total, queues } = (await sandbox.data(["stats"])) as Readonly<{
      total: unknown;
      queues: readonly object[];
    }>;
    expect(total).toMatchObject({ totalJobs: 1, pendingJobs: 1, completedJobs: 0, paused: false, exact: true });
    expect(queues).toMatchObject([{ queue: "default" }]);
    expect(await sandbox.data(["top", "--count", "1"])).toMatchObject({ queues: [{ queue: "default" }] });
    expect(await sandbox.data(["pause", "--all"])).toMatchObject({ queues: ["default"] });
    expect(errorOf(await sandbox.inside(["stats", "nope"]))["message"]).toContain("Known: default.");
    const named = await sandbox.data(["stats", "jobferry-doctor"]);
    expect(named).toMatchObject({ queues: [{ queue: "jobferry-doctor", completedJobs: 1 }] });
  });

  test("the job of a doctor that was killed is removed by the next one", async () => {
    const sandbox = new Sandbox();
    {
      await using queue = sqliteQueue(sandbox.database);
      await queue.push(createJob("from a killed doctor", { queue: "jobferry-doctor" }));
      await (await queue.pop({ queue: "jobferry-doctor" }))?.fail(new Error("its lease ran out"));
    }
    expect(await sandbox.data(["failed"])).toHaveLength(1);
    await sandbox.data(["doctor"]);
    expect(await sandbox.data(["failed"])).toHaveLength(0);
  });

  test("what needs a look is a warning and no failure", async () => {
    const sandbox = new Sandbox();
    await sandbox.data(["push", "x"]);
    await sandbox.data(["push", "x", "--queue", "stopped"]);
    await sandbox.data(["pause", "stopped"]);
    const { ok, checks } = (await sandbox.data(["doctor", "--max-age", "0ms"])) as Checks;
    expect(ok).toBe(true);
    const warnings = checks.filter(({ status }) => status === "warning").map(({ name }) => name);
    expect(warnings).toEqual(["paused queues", "oldest pending job"]);
  });

  test("every queue paused, the doctor's own too, is no failed round trip", async () => {
    const sandbox = new Sandbox();
    await sandbox.data(["push", "x"]);
    await sandbox.data(["doctor"]);
    await sandbox.data(["pause", "--all"]);
    await sandbox.data(["pause", "jobferry-doctor"]);
    expect(await sandbox.data(["doctor"])).toMatchObject({ ok: true });
  });

  test("a file that is no database: 6, with what was found on stdout", async () => {
    const sandbox = new Sandbox();
    writeFileSync(sandbox.database, "this is no database, and long enough to be looked at\n".repeat(100));
    const result = await sandbox.run(["doctor", "--json"]);
    expect(result.code).toBe(6);
    expect(errorOf(result)["code"]).toBe("CHECK_FAILED");
    expect(JSON.parse(result.stdout)).toMatchObject({
      data: { ok: false, checks: [{}, { name: "open", status: "failed" }] },
    });
  });
});

test("bench measures in a database of its own and leaves nothing", async () => {
  const sandbox = new Sandbox();
  await sandbox.data(["push", "x"]);
  const result = await sandbox.data(["bench", "--jobs", "200", "--samples", "20"]);
  expect(result).toMatchObject({
    ...{ backend: "sqlite", durability: "serverCrash", jobs: 200 },
    singlePushPerSecond: expect.any(Number) as number,
    bulkPushPerSecond: expect.any(Number) as number,
    processPerSecond: expect.any(Number) as number,
    latencyMs: {
      p50: expect.any(Number) as number,
      p95: expect.any(Number) as number,
      p99: expect.any(Number) as number,
    },
  });
  expect(readdirSync(sandbox.directory).filter((name) => !name.startsWith("jobs.db"))).toEqual([]);
  expect(await sandbox.data(["stats"])).toMatchObject({ queues: [{ queue: "default", pendingJobs: 1 }] });
});
