import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { createJob } from "jobferry";
import { sqliteQueue } from "jobferry/sqlite";
import { errorOf, Sandbox } from "./run-cli.ts";

/** Jobs that failed with these messages, in the queue "default". */
async function failJobs(sandbox: Sandbox, messages: readonly string[]): Promise<readonly string[]> {
  await using queue = await sqliteQueue(sandbox.database).open();
  const ids: string[] = [];
  for (const message of messages) {
    await queue.push(createJob({ message }));
    const job = await queue.pop();
    ids.push(job?.id ?? "");
    await job?.fail(new Error(message));
  }
  return ids;
}

describe("push", () => {
  test("one job with its options, shown whole by jobs <id>", async () => {
    const sandbox = new Sandbox();
    const options = ["--queue", "高", "--priority", "5", "--attempts", "4", "--tag", "a=1", "--tag", "b=x=y"];
    const args = ["push", "email", '{"to":"Ünï"}', ...options, "--id", "one", "--delay", "1h", "--timeout", "30s"];
    expect(await sandbox.data(args)).toEqual({ id: "one", name: "email", queue: "高" });
    const job = await sandbox.data(["jobs", "one"]);
    expect(job).toMatchObject({
      ...{ id: "one", name: "email", queue: "高", state: "delayed", payload: { to: "Ünï" }, priority: 5 },
      ...{ maxAttempts: 4, timeoutMs: 30_000, tags: { a: "1", b: "x=y" }, failure: null, finishedAt: null },
    });
    const { createdAt, availableAt } = job as Readonly<{ createdAt: string; availableAt: string }>;
    expect(createdAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(Date.parse(availableAt) - Date.parse(createdAt)).toBeGreaterThanOrEqual(3_600_000);
  });

  test("--max-attempts is --attempts, as jobs and programs call it, and help shows both", async () => {
    const sandbox = new Sandbox();
    for (const option of ["--attempts", "--max-attempts"]) {
      await sandbox.data(["push", "x", "--id", option.slice(2), option, "4"]);
      expect(await sandbox.data(["jobs", option.slice(2)])).toMatchObject({ maxAttempts: 4 });
    }
    for (const command of ["push", "work"])
      expect((await sandbox.inside([command, "--help"])).stdout).toContain("--max-attempts, --attempts <count>");
  });

  test("a payload alone, and an id that is there already changes nothing", async () => {
    const sandbox = new Sandbox();
    expect(await sandbox.data(["push", '{"n":1}', "--id", "a"])).toMatchObject({ name: "default" });
    await sandbox.data(["push", '{"n":2}', "--id", "a"]);
    expect(await sandbox.data(["jobs", "a"])).toMatchObject({ payload: { n: 1 } });
  });

  test("what is no JSON or belongs to --file is refused, nothing stored, no piece of the payload shown", async () => {
    const sandbox = new Sandbox();
    const bad = await sandbox.run(["push", "x", '{"pin":swordfish', "--json"]);
    expect(bad.code).toBe(2);
    expect(errorOf(bad)["code"]).toBe("INPUT_INVALID");
    expect(bad.stderr).not.toContain("swordfish");
    const resume = await sandbox.run(["push", "x", "--resume", "--json"]);
    expect(resume.code).toBe(2);
    expect(errorOf(resume)["message"]).toContain("--file");
  });
});

test("the list compares attempts with their limit without the lost leases", async () => {
  const sandbox = new Sandbox();
  await using queue = await sqliteQueue(sandbox.database).open();
  await queue.push(createJob("x", { id: "lost-once", maxAttempts: 1 }));
  await queue.pop({ lease: "20ms" });
  const again = await queue.pop({ wait: "5s" });
  await again?.fail(new Error("no good"));
  expect(await sandbox.data(["failed", "lost-once"])).toMatchObject({ attempts: 2, losses: 1, maxAttempts: 1 });
  const { stdout } = await sandbox.run(["failed"]);
  expect(stdout).toMatch(/^lost-once +default +default +1\/1 /m);
});

describe("lists", () => {
  test("filters, pages by cursor", async () => {
    const sandbox = new Sandbox();
    const lines = Array.from({ length: 5 }, (_, n) => `{"payload":${n},"id":"j${n}","tags":{"odd":"${n % 2}"}}`);
    await sandbox.data(["push", "--file", "-"], lines.join("\n"));
    const odd = (await sandbox.data(["jobs", "--tag", "odd=1"])) as readonly Readonly<{ id: string }>[];
    expect(odd.map(({ id }) => id)).toEqual(["j1", "j3"]);
    const first = await sandbox.run(["jobs", "--limit", "3", "--json"]);
    const { data, nextCursor } = JSON.parse(first.stdout) as { data: { id: string }[]; nextCursor: string };
    expect(data.map(({ id }) => id)).toEqual(["j0", "j1", "j2"]);
    const second = await sandbox.run(["jobs", "--limit", "3", "--cursor", nextCursor, "--json"]);
    expect(JSON.parse(second.stdout)).toMatchObject({ data: [{ id: "j3" }, { id: "j4" }], nextCursor: null });
    expect((await sandbox.run(["jobs", "--state", "lost"])).code).toBe(2);
  });

  test("failed: with the error, by text; one with its stack", async () => {
    const sandbox = new Sandbox();
    const [one] = await failJobs(sandbox, ["disk full", "no route"]);
    expect(await sandbox.data(["failed", "--error", "DISK"])).toMatchObject([
      { id: one, failure: { message: "disk full" } },
    ]);
    const shown = await sandbox.run(["failed", one ?? ""]);
    expect(shown.stdout).toContain("Error: disk full\n      at ");
  });
});

describe("failed jobs", () => {
  test("retry: one, by filter, from stdin; what is not failed is told", async () => {
    const sandbox = new Sandbox();
    const [a = "", b = "", c = ""] = await failJobs(sandbox, ["x", "y", "z"]);
    expect(await sandbox.data(["retry", a])).toEqual({ retried: 1 });
    const again = await sandbox.run(["retry", a, "--json"]);
    expect(again.code).toBe(4);
    expect(errorOf(again)["message"]).toContain("is pending, not failed");
    const partly = await sandbox.run(["retry", "-", "--json"], `${a}\n${b}\n`);
    expect(partly.code).toBe(5);
    expect(errorOf(partly)).toMatchObject({ code: "BATCH_INCOMPLETE", done: 1, missing: 1, left: [a] });
    expect(errorOf(partly)["message"]).toBe(`Could not retry every job: job "${a}" is pending, not failed.`);
    const none = await sandbox.inside(["retry", "nope", a]);
    expect(none.code).toBe(4);
    expect(errorOf(none)["message"]).toBe(
      `Could not retry every job: there is no job "nope"; job "${a}" is pending, not failed.`,
    );
    expect(await sandbox.data(["retry", "--error", "z"])).toEqual({ retried: 1 });
    expect(await sandbox.data(["jobs", c])).toMatchObject({ state: "pending", attempts: 0, failure: null });
    expect((await sandbox.run(["retry"])).code).toBe(2);
  });

  test("of many ids, which go in bulk, it is told how many were left", async () => {
    const sandbox = new Sandbox();
    const [a = ""] = await failJobs(sandbox, ["x"]);
    const ids = Array.from({ length: 500 }, (_, i) => `nope-${i}`);
    const bulk = await sandbox.inside(["retry", "-"], [a, ...ids].join("\n"));
    expect(errorOf(bulk)).toMatchObject({ code: "BATCH_INCOMPLETE", done: 1, missing: 500 });
    expect(errorOf(bulk)["message"]).toContain("500 of 501 were left. Give at most 500 ids at once");
    const each = await sandbox.inside(["retry", "-"], ids.join("\n"));
    expect(errorOf(each)).toMatchObject({ code: "NOT_FOUND", left: ids });
    expect(errorOf(each)["message"]).toMatch(/job "nope-9"; and 490 more\.$/);
  });

  test("forget one without a question, many and flush only with --yes where nobody can answer", async () => {
    const sandbox = new Sandbox();
    const [a = "", b = "", c = ""] = await failJobs(sandbox, ["x", "y", "z"]);
    expect(await sandbox.data(["forget", a])).toEqual({ removed: 1 });
    const many = await sandbox.run(["forget", b, c, "--json"]);
    expect(many).toMatchObject({ code: 2, stdout: "" });
    expect(errorOf(many)).toMatchObject({ code: "NOT_CONFIRMED" });
    expect(errorOf(many)["message"]).toContain("--yes");
    const partly = await sandbox.inside(["forget", b, "nope", "--yes"]);
    expect(partly.code).toBe(5);
    expect(errorOf(partly)).toMatchObject({ done: 1, left: ["nope"] });
    expect(errorOf(partly)["message"]).toBe('Could not remove every job: there is no job "nope".');
    expect((await sandbox.run(["flush"])).code).toBe(2);
    expect(await sandbox.data(["flush", "--older-than", "1h", "--yes"])).toEqual({ removed: 0 });
    expect(await sandbox.data(["flush", "--yes"])).toEqual({ removed: 1 });
  });
});

describe("queues", () => {
  test("pause, resume, clear", async () => {
    const sandbox = new Sandbox();
    await sandbox.data(["push", "x"]);
    await sandbox.data(["push", "x", "--queue", "other"]);
    expect(await sandbox.data(["pause", "default"])).toEqual({ queues: ["default"], paused: true });
    expect(await sandbox.data(["stats", "default"])).toMatchObject({ queues: [{ queue: "default", paused: true }] });
    expect(await sandbox.data(["resume", "--all"])).toMatchObject({ paused: false });
    expect((await sandbox.run(["pause"])).code).toBe(2);
    const slip = await sandbox.run(["pause", "othr"]);
    expect(slip).toMatchObject({ code: 0, stderr: 'No job was pushed to "othr" so far. Known: default, other.\n' });
    expect((await sandbox.run(["pause", "other"])).stderr).toBe("");
    const refused = await sandbox.run(["clear", "default", "--json"]);
    expect(refused.code).toBe(2);
    expect(errorOf(refused)["message"]).toMatch(/1 job.*queue "default".*Nothing was done.*--yes/);
    expect(await sandbox.data(["clear", "default", "--yes"])).toEqual({ queue: "default", removed: 1 });
    expect(await sandbox.data(["stats"])).toMatchObject({ total: { pendingJobs: 1 } });
  });

  test("stats of one queue, by its name with or without --queue", async () => {
    const sandbox = new Sandbox();
    for (const queue of ["a", "b"]) await sandbox.data(["push", "x", "--queue", queue]);
    const one = { total: { pendingJobs: 1 }, queues: [{ queue: "b" }] };
    for (const args of [["b"], ["--queue", "b"], ["b", "--queue", "b"]])
      expect(await sandbox.data(["stats", ...args])).toMatchObject(one);
    const two = await sandbox.inside(["stats", "a", "--queue", "b"]);
    expect([two.code, errorOf(two)["message"]]).toEqual([2, expect.stringContaining("one queue or all")]);
    expect((await sandbox.inside(["stats", "--queue", "c"])).code).toBe(4);
    expect((await sandbox.inside(["stats", "--help"])).stdout).toContain("--queue <name>");
  });
});

describe("a store that cannot be used", () => {
  test("one written by a newer version: 3, STORE_NEWER", async () => {
    const sandbox = new Sandbox();
    await sandbox.data(["push", "x"]);
    const database = new DatabaseSync(sandbox.database);
    database.exec("UPDATE jobferry_meta SET value = 99 WHERE key = 'version'");
    database.close();
    const result = await sandbox.run(["stats", "--json"]);
    expect(result.code).toBe(3);
    expect(errorOf(result)["code"]).toBe("STORE_NEWER");
  });
});

test("a name that no queue has is told by every command that finds nothing there", async () => {
  const sandbox = new Sandbox();
  await sandbox.data(["push", "1", "--queue", "mails"]);
  for (const command of [["jobs"], ["failed"], ["retry"], ["flush", "--yes"]]) {
    const { code, stderr } = await sandbox.run([...command, "--queue", "mail"]);
    expect([code, stderr]).toEqual([0, expect.stringContaining('There is no queue "mail" so far. Known: mails.')]);
    expect((await sandbox.run([...command, "--queue", "mails"])).stderr).not.toContain("There is no queue");
  }
});
