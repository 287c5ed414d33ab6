import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createJob } from "jobferry";
import { sqliteQueue } from "jobferry/sqlite";
import { describe, expect, test } from "vitest";
import { push, withHandlers } from "./handlers.ts";
import { dataOf, errorOf, Sandbox } from "./run-cli.ts";

describe("handler modules", () => {
  test.for([
    ["enum", "enum A { b }\nexport default () => A.b;", /const object and a union|enum/],
    ["a .js import of a .ts file", 'import "./handlers.js";\nexport default () => 1;', /\.ts/],
    ["no default export", "export const handle = 1;", /default/],
    ["an error while it loads", 'throw new Error("no config");\nexport default 1;', /no config/],
  ] as const)("%s: MODULE_INVALID that says what to change, exit 2", async ([, source, hint]) => {
    const sandbox = withHandlers();
    writeFileSync(join(sandbox.directory, "bad.ts"), source);
    const result = await sandbox.run(["work", "--handlers", "bad.ts", "--json"]);
    expect(result).toMatchObject({ code: 2, stdout: "" });
    expect(errorOf(result)["code"]).toBe("MODULE_INVALID");
    expect(errorOf(result)["message"]).toMatch(hint);
  });

  test("one that is not there, also for isolated workers; none at all", async () => {
    const sandbox = new Sandbox();
    const missing = await sandbox.run(["work", "--handlers", "nope.ts", "--json"]);
    expect(missing.code).toBe(2);
    expect(errorOf(missing)["code"]).toBe("MODULE_INVALID");
    const isolated = await sandbox.run([
      "work",
      "--handlers",
      "nope.ts",
      "--isolation",
      "processes",
      "--workers",
      "1",
      "--json",
    ]);
    expect(isolated.code).toBe(2);
    expect(errorOf(isolated)["code"]).toBe("MODULE_INVALID");
    expect((await sandbox.run(["work"])).stderr).toContain("--handlers");
  });
});

describe("running", () => {
  test("until empty beside a paused queue: which one, how many jobs, and what to do", async () => {
    const sandbox = withHandlers();
    for (const queue of ["mails", "mails", "default"]) await sandbox.data(["push", "x", "--queue", queue]);
    await sandbox.data(["pause", "mails"]);
    const work = ["work", "--handlers", "handlers.ts", "--queue", "mails,default", "--stop-when-empty"];
    const told = await sandbox.run(work);
    expect(told.code, told.stderr).toBe(0);
    expect(told.stdout).toContain("Stopped (paused): 1 completed");
    expect(told.stderr).toContain('warning: Queue "mails" is paused and holds 2 jobs');
    expect(told.stderr).toContain('"jobferry resume mails"');
    expect(told.stderr).not.toContain('"default"');
    const again = await sandbox.run([...work, "--json"]);
    expect(dataOf(again)).toMatchObject({ reason: "paused", completed: 0 });
    await sandbox.data(["resume", "mails"]);
    expect(dataOf(await sandbox.run([...work, "--json"]))).toMatchObject({ reason: "empty", completed: 2 });
  });

  test("until empty: what is delayed or held elsewhere, and a name that no queue has", async () => {
    const sandbox = withHandlers();
    await sandbox.data(["push", "x", "--queue", "mails", "--delay", "1h"]);
    const work = ["work", "--handlers", "handlers.ts", "--queue", "mails,mail", "--stop-when-empty"];
    const told = await sandbox.run(work);
    expect(told.code, told.stderr).toBe(0);
    expect(told.stderr).toContain('Not waited for in queue "mails": 1 job delayed');
    expect(told.stderr).toContain('There is no queue "mail" so far. Known: mails.');
    expect((await sandbox.run([...work, "--quiet"])).stderr).toBe("");
    await using holder = await sqliteQueue(sandbox.database).open();
    await holder.push(createJob(1, { queue: "mails" }));
    expect(await holder.pop({ queue: "mails" })).not.toBeNull();
    expect((await sandbox.run(work)).stderr).toContain(
      "1 job delayed (retries included); 1 job held by other workers.",
    );
  });

  test("until empty: counts as data on stdout, what failed on stderr", async () => {
    const sandbox = withHandlers();
    const lines = ['{"payload":1}', '{"payload":{"fail":"no good"},"maxAttempts":1,"id":"bad"}', '{"payload":2}'];
    await sandbox.data(["push", "--file", "-"], lines.join("\n"));
    const result = await sandbox.run([
      "work",
      "--handlers",
      "handlers.ts",
      "--stop-when-empty",
      "--json",
      "-c",
      "5",
      "-v",
    ]);
    expect(result.code, result.stderr).toBe(0);
    expect(JSON.parse(result.stdout)).toMatchObject({
      version: 1,
      data: { reason: "empty", completed: 2, failedAttempts: 1, dead: 1, handedBack: 0 },
    });
    const events = result.stderr
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { event?: string; id?: string });
    expect(events).toContainEqual(expect.objectContaining({ event: "dead", id: "bad", level: "warning" }));
    expect(events).toContainEqual(expect.objectContaining({ event: "completed", level: "info" }));
  });

  test("a job whose error has no text as its message is told like any other", async () => {
    const sandbox = withHandlers();
    await push(sandbox, { symbol: "odd" }, { id: "bad", maxAttempts: 1 });
    const { code, stderr } = await sandbox.run(["work", "--handlers", "handlers.ts", "--stop-when-empty", "--quiet"]);
    expect(code).toBe(0);
    expect(stderr).toContain("failed default bad in default: attempt 1: Symbol(odd); no further attempt");
    expect(stderr).toContain('dead default bad in default: Symbol(odd); see "jobferry failed bad"');
  });

  test("--quiet hides hints and what completed, and no failed job", async () => {
    const sandbox = withHandlers();
    await push(sandbox, 1);
    await push(sandbox, { fail: "no good" }, { id: "bad", maxAttempts: 1 });
    const work = ["work", "--handlers", "handlers.ts", "--stop-when-empty", "--quiet", "--verbose"];
    const { code, stdout, stderr } = await sandbox.run(work);
    expect(code).toBe(0);
    expect(stdout).toContain("1 completed, 1 failed attempts, 1 dead");
    expect(stderr.trimEnd().split("\n")).toEqual([
      expect.stringMatching(/^failed default bad in default: attempt 1: no good; no further attempt$/),
      expect.stringMatching(/^dead default bad in default: no good; see "jobferry failed bad"$/),
    ]);
  });

  test.for(["threads", "processes"])("isolated in %s", async (isolation) => {
    const sandbox = withHandlers();
    await sandbox.data(["push", "--file", "-"], Array.from({ length: 20 }, () => '{"payload":1}').join("\n"));
    const args = ["work", "--handlers", "handlers.ts", "--isolation", isolation, "--workers", "2", "--stop-when-empty"];
    expect(dataOf(await sandbox.run([...args, "--json"]))).toMatchObject({ reason: "empty", completed: 20 });
  });

  test("queues in strict order, --max-jobs and --max-time", async () => {
    const sandbox = withHandlers();
    for (const queue of ["low", "high", "high"]) await push(sandbox, 1, { queue });
    const work = ["work", "--handlers", "handlers.ts", "--queue", "high,low"];
    expect(dataOf(await sandbox.run([...work, "--json", "--max-jobs", "2"]))).toMatchObject({
      reason: "maxJobs",
      completed: 2,
    });
    expect(await sandbox.data(["stats", "low"])).toMatchObject({ queues: [{ pendingJobs: 1 }] });
    expect(dataOf(await sandbox.run([...work, "--json", "--max-time", "1500ms"]))).toMatchObject({
      reason: "maxTime",
      completed: 1,
    });
  });

  test("--keep-completed keeps jobs with their results", async () => {
    const sandbox = withHandlers();
    for (const id of ["a", "b", "c"]) await push(sandbox, 1, { id });
    const work = ["work", "--handlers", "handlers.ts", "--stop-when-empty", "--json"];
    expect(dataOf(await sandbox.run([...work, "--keep-completed", "all"]))).toMatchObject({ completed: 3 });
    expect(await sandbox.data(["jobs", "--state", "completed"])).toHaveLength(3);
    expect((await sandbox.run([...work, "--keep-completed", "some"])).code).toBe(2);
  });

  test("over its memory: 12", async () => {
    const sandbox = withHandlers();
    const result = await sandbox.run(["work", "--handlers", "handlers.ts", "--memory", "1", "--json"]);
    expect(result.code).toBe(12);
    expect(JSON.parse(result.stdout)).toMatchObject({ data: { reason: "maxMemory" } });
  });

  test("nothing configured: the default database, with a notice", async () => {
    const sandbox = withHandlers();
    sandbox.env = {};
    const result = await sandbox.run(["work", "--handlers", "handlers.ts", "--stop-when-empty"]);
    expect(result.code).toBe(0);
    expect(result.stderr).toContain("Using sqlite:./jobferry.db");
  });

  test("a backend that is not there: 3", async () => {
    const sandbox = withHandlers();
    const args = [
      "work",
      "--handlers",
      "handlers.ts",
      "--url",
      `sqlite:${sandbox.directory}/no/such/folder.db`,
      "--json",
    ];
    const result = await sandbox.run(args);
    expect(result.code).toBe(3);
    expect(errorOf(result)["code"]).toBe("UNAVAILABLE");
  });
});
