import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { Worker } from "jobferry";
import { sqliteQueue } from "jobferry/sqlite";
import { errorOf, Sandbox } from "./run-cli.ts";

function linesOf(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `{"payload":${n}}`);
}

function write(sandbox: Sandbox, lines: readonly string[]): string {
  const file = join(sandbox.directory, "jobs.ndjson");
  writeFileSync(file, lines.join("\n"));
  return file;
}

/** Every payload that is stored, in order. */
async function stored(sandbox: Sandbox): Promise<readonly unknown[]> {
  await using queue = await sqliteQueue(sandbox.database).open();
  const payloads: unknown[] = [];
  let cursor: string | undefined;
  do {
    const page = await queue.records.list({}, { limit: 1_000, cursor });
    payloads.push(...page.jobs.map(({ payload }) => payload));
    cursor = page.cursor;
  } while (cursor !== undefined);
  return payloads;
}

const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, n) => n);

describe("push --file", () => {
  test("a bad line: its number, everything before it stored, and --resume goes on exactly there", async () => {
    const sandbox = new Sandbox();
    const lines = linesOf(2_500);
    const file = write(sandbox, lines.with(2_200, "{oops"));
    const bad = await sandbox.run(["push", "--file", file, "--json"]);
    expect(bad).toMatchObject({ code: 5, stdout: "" });
    expect(errorOf(bad)).toMatchObject({ code: "INPUT_INVALID", line: 2_201, pushed: 2_200, lastLine: 2_200 });
    expect(errorOf(bad)["message"]).toContain("--resume");
    expect(await stored(sandbox)).toEqual(numbers(2_200));

    // Still bad: nothing is added. Not asked to resume: nothing is pushed twice.
    const again = await sandbox.run(["push", "--file", file, "--resume", "--json"]);
    expect(errorOf(again)).toMatchObject({ line: 2_201, pushed: 0, lastLine: 2_200 });
    expect(again.code).toBe(2);
    const forgot = await sandbox.run(["push", "--file", file, "--json"]);
    expect(forgot.code).toBe(2);
    expect(errorOf(forgot)["message"]).toMatch(/lines 1 to 2200.*--resume.*--restart/);

    write(sandbox, lines);
    expect(await sandbox.data(["push", "--file", file, "--resume"])).toMatchObject({
      pushed: 300,
      skippedLines: 2_200,
    });
    expect(await sandbox.data(["push", "--file", file, "--resume"])).toMatchObject({ pushed: 0 });
    expect(await stored(sandbox)).toEqual(numbers(2_500));
  });

  test("a bad first line stores nothing: 2", async () => {
    const sandbox = new Sandbox();
    const result = await sandbox.run(["push", "--file", write(sandbox, ["nope"]), "--json"]);
    expect(result.code).toBe(2);
    expect(errorOf(result)).toMatchObject({ line: 1, pushed: 0, lastLine: 0 });
  });

  test("lines that were stored and changed since are noticed; --restart pushes all", async () => {
    const sandbox = new Sandbox();
    const file = write(sandbox, [...linesOf(10), "bad"]);
    expect((await sandbox.run(["push", "--file", file])).code).toBe(5);
    for (const lines of [linesOf(11).with(3, '{"payload":"other"}'), linesOf(4)]) {
      write(sandbox, lines);
      const changed = await sandbox.run(["push", "--file", file, "--resume", "--json"]);
      expect(changed.code).toBe(2);
      expect(errorOf(changed)["message"]).toMatch(/first 10 lines.*not the same/);
    }
    expect(await stored(sandbox)).toHaveLength(10);
    write(sandbox, linesOf(2));
    expect(await sandbox.data(["push", "--file", file, "--restart"])).toMatchObject({ pushed: 2 });
    expect(await stored(sandbox)).toHaveLength(12);
  });

  test("a file that has grown: --resume pushes the new lines, without it all of them", async () => {
    const sandbox = new Sandbox();
    const file = write(sandbox, linesOf(3));
    await sandbox.data(["push", "--file", file]);
    write(sandbox, linesOf(5));
    expect(await sandbox.data(["push", "--file", file, "--resume"])).toMatchObject({ pushed: 2 });
    expect(await sandbox.data(["push", "--file", file])).toMatchObject({ pushed: 5 });
  });

  test("a job that only the store refuses: its line, and those before it stored", async () => {
    const sandbox = new Sandbox();
    const lines = linesOf(20).with(15, '{"payload":1,"delay":"2300-01-01T00:00:00Z"}');
    const result = await sandbox.run(["push", "--file", write(sandbox, lines), "--json"]);
    expect(result.code).toBe(5);
    expect(errorOf(result)).toMatchObject({ line: 16, pushed: 15, lastLine: 15 });
    expect(await stored(sandbox)).toEqual(numbers(15));
  });

  test("stdin resumes under --source", async () => {
    const sandbox = new Sandbox();
    const args = ["push", "--file", "-", "--source", "nightly", "--json"];
    const lines = linesOf(30);
    expect((await sandbox.run(args, lines.with(20, "bad").join("\n"))).code).toBe(5);
    expect(await sandbox.data([...args, "--resume"], lines.join("\n"))).toMatchObject({ pushed: 10, skippedLines: 20 });
    const nameless = await sandbox.run(["push", "--file", "-", "--resume", "--json"], "");
    expect(nameless.code).toBe(2);
    expect(errorOf(nameless)["message"]).toContain("--source");
  });

  test("a pipe that trickles: what has come is stored before the pipe ends; SIGINT keeps it and says how to go on", async () => {
    const sandbox = new Sandbox();
    await sandbox.data(["push", "first"]);
    const { child, ended } = sandbox.start(["push", "--file", "-", "--source", "s", "--json"]);
    child.stdin.write('{"payload":1}\n{"payload":2}\n{"pay');
    await using queue = await sqliteQueue(sandbox.database).open();
    await expect.poll(() => queue.size(), { timeout: 10_000 }).toBe(3);
    child.kill("SIGINT");
    const result = await ended;
    expect(result.code).toBe(130);
    expect(errorOf(result)).toMatchObject({ code: "INTERRUPTED", pushed: 2, lastLine: 2 });
  });

  test("a file that cannot be opened is no second error beside the one that is told", async () => {
    const sandbox = new Sandbox();
    const path = join(sandbox.directory, "socket");
    const socket = createServer().listen(path);
    await once(socket, "listening");
    const args = ["push", "--file", path, "--source", "a", "--json"];
    const refused = await sandbox.run([...args, "--resume", "--url", "memory:"]);
    expect([refused.code, errorOf(refused)["code"]]).toEqual([2, "UNSUPPORTED"]);
    const unread = await sandbox.run(args);
    expect([unread.code, String(errorOf(unread)["message"])]).toEqual([1, expect.stringContaining("ENXIO")]);
    socket.close();
  });

  test("what cannot be resumed or read", async () => {
    const sandbox = new Sandbox();
    mkdirSync(join(sandbox.directory, "folder"));
    const runs = await Promise.all([
      sandbox.run(["push", "--file", "missing.ndjson", "--json"]),
      sandbox.run(["push", "--file", "folder", "--json"]),
      sandbox.run(["push", "--file", write(sandbox, linesOf(1)), "--resume", "--json", "--url", "memory:"]),
    ]);
    expect(runs.map(({ code }) => code)).toEqual([2, 2, 2]);
    expect(runs.map((result) => errorOf(result)["code"])).toEqual([
      "INVALID_ARGUMENT",
      "INVALID_ARGUMENT",
      "UNSUPPORTED",
    ]);
  });
});

test("when the progress cannot be recorded, its batch is not stored either", async () => {
  const sandbox = new Sandbox();
  const file = write(sandbox, linesOf(1_500));
  await sandbox.data(["push", "--file", "-", "--source", "other"], ""); // makes the table
  const database = new DatabaseSync(sandbox.database);
  database.exec(`CREATE TRIGGER refuse BEFORE UPDATE ON jobferry_imports WHEN new.lines > 1000
    BEGIN SELECT RAISE(ABORT, 'refused'); END`);
  const refused = await sandbox.run(["push", "--file", file, "--json"]);
  expect(refused.code).toBe(3);
  expect(errorOf(refused)).toMatchObject({ code: "UNAVAILABLE", pushed: 1_000, lastLine: 1_000 });
  expect(await stored(sandbox)).toEqual(numbers(1_000));
  database.exec("DROP TRIGGER refuse");
  database.close();
  expect(await sandbox.data(["push", "--file", file, "--resume"])).toMatchObject({ pushed: 500 });
  expect(await stored(sandbox)).toEqual(numbers(1_500));
});

test("SIGKILL at any moment, while workers complete and forget the jobs: with --resume every line runs exactly once", async () => {
  const sandbox = new Sandbox();
  const count = 40_000;
  const file = write(sandbox, linesOf(count));
  await using queue = await sqliteQueue(sandbox.database).open();
  const runs = new Uint8Array(count);
  let handled = 0;
  const worker = new Worker(
    queue,
    "default",
    ({ payload }) => {
      runs[payload as number] = (runs[payload as number] ?? 0) + 1;
      handled += 1;
    },
    { concurrency: 50 },
  );
  await worker.start();
  let kills = 0;
  for (let code: number | null = null; code !== 0;) {
    const before = handled;
    const { child, ended } = sandbox.start(["push", "--file", file, "--resume"]);
    const kill = setInterval(() => {
      // Another number of batches each time, and no moment of them is chosen.
      if (kills < 6 && handled > before + 700 * (1 + (kills % 3)) && child.kill("SIGKILL")) clearInterval(kill);
    }, 1);
    const result = await ended;
    clearInterval(kill);
    if (result.signal === "SIGKILL") kills += 1;
    else expect(result, result.stderr).toMatchObject({ code: 0 });
    code = result.code;
  }
  await expect.poll(() => handled, { timeout: 80_000 }).toBeGreaterThanOrEqual(count);
  await worker.stop();
  expect(kills).toBeGreaterThan(2);
  expect(runs.filter((times) => times !== 1)).toHaveLength(0);
  expect(await queue.size()).toBe(0);
}, 180_000);
