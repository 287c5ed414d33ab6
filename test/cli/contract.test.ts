import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { errorOf, Sandbox } from "./run-cli.ts";

describe("usage", () => {
  test("without arguments: help with three examples on stdout, exit 0", async () => {
    const { code, stdout, stderr } = await new Sandbox().run([]);
    expect(code).toBe(0);
    expect(stdout.match(/^ {2}\$ jobferry /gm)).toHaveLength(3);
    expect(stderr).toBe("");
  });

  test("an unknown command or option names the nearest, exit 2", async () => {
    const sandbox = new Sandbox();
    const [command, option] = await Promise.all([sandbox.run(["stat"]), sandbox.run(["stats", "--jsn"])]);
    expect(command).toMatchObject({ code: 2, stdout: "" });
    expect(command.stderr).toContain("Did you mean stats?");
    expect(option).toMatchObject({ code: 2, stdout: "" });
    expect(option.stderr).toContain("Did you mean --json?");
  });

  test("a wrong value names the option and the limit", async () => {
    const sandbox = new Sandbox();
    const result = await sandbox.run(["push", "x", "--priority", "2.5", "--json"]);
    expect(result.code).toBe(2);
    expect(errorOf(result)).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(String(errorOf(result)["message"])).toMatch(/--priority.*integer from -1000000000 to 1000000000/);
  });

  test("a usage error points to the help of the command that was given", async () => {
    const sandbox = new Sandbox();
    const runs = await Promise.all([
      sandbox.run(["--url", "sqlite:./work", "push", "x", "--most-attempts", "3"]),
      sandbox.run(["stast"]),
      sandbox.run(["work"]),
    ]);
    expect(runs.map(({ code }) => code)).toEqual([2, 2, 2]);
    const [push, unknown, work] = runs.map(({ stderr }) => stderr);
    expect(push).toContain(`unknown option '--most-attempts' (Did you mean --attempts?). See "jobferry push --help".`);
    expect(unknown).toContain(`unknown command 'stast' (Did you mean stats?). See "jobferry --help".`);
    expect(work).toContain(`not specified. See "jobferry work --help".`);
  });

  test("an option that is written like none: one that shares a word, else all of them", async () => {
    const sandbox = new Sandbox();
    const told = async (...args: readonly string[]): Promise<string> => {
      const result = await sandbox.inside(args);
      expect(result.code).toBe(2);
      return String(errorOf(result)["message"]);
    };
    expect(await told("push", "x", "--maxAttempts=3")).toContain("'--maxAttempts=3' (Did you mean --attempts?)");
    expect(await told("jobs", "--queue-name", "a")).toContain("(Did you mean --queue?)");
    expect(await told("stats", "--store-url", "a")).toContain("(Did you mean --url?)");
    expect(await told("push", "x", "--prioritty", "3")).toContain("(Did you mean --priority?)");
    expect(await told("push", "x", "-w")).toMatch(
      /'-w'; there are --queue, --delay, .*--source\. See "jobferry push --help"/,
    );
    expect(await told("cluster", "nodes", "--wait")).toMatch(/'--wait'.* See "jobferry cluster nodes --help"/);
    expect(await told("push", "x", "--max-size", "3")).toMatch(/'--max-size'; there are --queue/);
  });

  test("--json without a command: an error in JSON, no help", async () => {
    const result = await new Sandbox().run(["--json"]);
    expect(result).toMatchObject({ code: 2, stdout: "" });
    expect(result.stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(errorOf(result)).toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test("--help and --version are no errors", async () => {
    const sandbox = new Sandbox();
    const [help, version] = await Promise.all([sandbox.run(["work", "--help"]), sandbox.run(["--version"])]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    expect(help.stdout).toContain("SIGTERM");
    expect(version).toMatchObject({ code: 0, stderr: "" });
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+/);
  });
});

describe("exit codes of errors", () => {
  test("a database that is not there: 2, and it is not made", async () => {
    const sandbox = new Sandbox();
    const result = await sandbox.run(["stats", "--json"]);
    expect(result).toMatchObject({ code: 2, stdout: "" });
    expect(errorOf(result)).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(existsSync(sandbox.database)).toBe(false);
  });

  test("a file that is no database: 3 with the driver's code", async () => {
    const sandbox = new Sandbox();
    const url = `sqlite:${join(import.meta.dirname, "contract.test.ts")}`;
    const result = await sandbox.run(["stats", "--json", "--url", url]);
    expect(result).toMatchObject({ code: 3, stdout: "" });
    expect(errorOf(result)["code"]).toBe("STORE_CORRUPT");
  });

  test("a URL that is empty or has no scheme is told by the name of its option and variable: 2", async () => {
    const sandbox = new Sandbox();
    const [url, records, path, cluster] = await Promise.all([
      sandbox.run(["stats", "--json"], "", { JOBFERRY_URL: "" }),
      sandbox.run(["stats", "--json"], "", { JOBFERRY_RECORDS: "" }),
      sandbox.run(["push", "x", "--json"], "", { JOBFERRY_URL: "secret.db" }),
      sandbox.run(["cluster", "nodes", "--json"], "", { JOBFERRY_URL: "" }),
    ]);
    expect([url.code, records.code, path.code, cluster.code]).toEqual([2, 2, 2, 2]);
    expect(errorOf(url)["message"]).toContain("--url (or JOBFERRY_URL) is empty.");
    expect(errorOf(records)["message"]).toContain("--records (or JOBFERRY_RECORDS) is empty.");
    expect(errorOf(path)["message"]).toContain("--url (or JOBFERRY_URL) has no scheme.");
    expect(path.stderr).not.toContain("secret");
    expect(errorOf(cluster)["message"]).toContain("--url (or JOBFERRY_URL) is empty.");
  });

  test("a job or queue that is not there: 4", async () => {
    const sandbox = new Sandbox();
    await sandbox.data(["push", "x"]);
    const [job, queue, retry] = await Promise.all([
      sandbox.run(["jobs", "nope", "--json"]),
      sandbox.run(["stats", "nope", "--json"]),
      sandbox.run(["retry", "nope", "--json"]),
    ]);
    for (const result of [job, queue, retry]) {
      expect(result.code).toBe(4);
      expect(errorOf(result)["code"]).toBe("NOT_FOUND");
    }
  });
});

describe("output", () => {
  test("data on stdout, hints on stderr, and no colours off a terminal", async () => {
    const sandbox = new Sandbox();
    sandbox.env = {};
    const pushed = await sandbox.run(["push", "x"]);
    expect(pushed.stdout).toMatch(/^\w+\n$/);
    expect(pushed.stderr).toContain("Using sqlite:./jobferry.db");
    const stats = await sandbox.run(["stats", "--quiet"]);
    expect(stats.stderr).toBe("");
    expect(stats.stdout).toContain("default");
    expect(stats.stdout + pushed.stderr).not.toContain("\u001b");
  });

  test("the JSON envelope is one line with version, data and nextCursor", async () => {
    const sandbox = new Sandbox();
    await sandbox.data(["push", "x", '{"n":1}']);
    const { stdout } = await sandbox.run(["stats", "--json"]);
    expect(stdout.trimEnd().split("\n")).toHaveLength(1);
    expect(JSON.parse(stdout)).toMatchObject({ version: 1, nextCursor: null, data: { total: { pendingJobs: 1 } } });
  });

  test("names of others cannot steer the terminal, and wide characters keep the columns", async () => {
    const sandbox = new Sandbox();
    await sandbox.data(["push", "任务", JSON.stringify("\u001b[2Jx\u202ey")]);
    await sandbox.data(["push", "ab", '"z"']);
    const { stdout } = await sandbox.run(["jobs"]);
    // oxlint-disable-next-line no-control-regex
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
    const [wide = "", narrow = ""] = stdout.split("\n").slice(1);
    // Each of the two characters is two cells wide, so their line has two letters less before the next column.
    expect(wide.indexOf("pending") + 2).toBe(narrow.indexOf("pending"));
  });
});

test("a time that is none is shown as it was written", async () => {
  const sandbox = new Sandbox();
  const one = await sandbox.run(["push", "x", "--delay", "2030-13-45", "--json"]);
  expect(errorOf(one)).toMatchObject({ code: "INVALID_ARGUMENT" });
  expect(String(errorOf(one)["message"])).toMatch(/^delay is "2030-13-45".*2030-01-31T08:00:00Z/);
  const line = JSON.stringify({ payload: 1, retryUntil: "2030-02-31T25:00:00Z" });
  const many = await sandbox.run(["push", "--file", "-", "--json"], line);
  expect(String(errorOf(many)["message"])).toMatch(/^Line 1: retryUntil is "2030-02-31T25:00:00Z"/);
});

test("a reader that closes the pipe early is no error", async () => {
  const sandbox = new Sandbox();
  await sandbox.data(["push", "--file", "-"], '{"payload":1}\n'.repeat(900));
  const { child, ended } = sandbox.start(["jobs", "--limit", "900", "--json"]);
  child.stdout.destroy();
  const { code, signal } = await ended;
  expect([code, signal]).toEqual([0, null]);
});

test.each([
  ["a backend that has no use for it", "sqlite:./jobs.db", []],
  ["a broker's URL that cannot be read", "amqp://", []],
  ["a wrong prefix", "amqp://localhost", ["--prefix", "no blank"]],
  ["an option of another backend", "amqp://localhost", ["--partitions", "3"]],
])("refused --records make no file: %s", async (_, url, more) => {
  const sandbox = new Sandbox();
  const result = await sandbox.run(["push", "x", "--url", url, "--records", "sqlite:./failed.db", ...more, "--json"]);
  expect(errorOf(result)).toMatchObject({ code: "INVALID_ARGUMENT" });
  expect(readdirSync(sandbox.directory)).toEqual([]);
});

describe("secrets", () => {
  const url = "redis://ann:hunter22@db.example.org/0?password=swordfish&x=1";

  test("no password of the URL is printed, wherever it comes from", async () => {
    const sandbox = new Sandbox();
    const runs = await Promise.all([
      sandbox.run(["stats", "--url", url]),
      sandbox.run(["stats"], "", { JOBFERRY_URL: url }),
      sandbox.run(["doctor", "--json"], "", { JOBFERRY_URL: url }),
      sandbox.run(["push", "x", "{}", "--url", `sqlite://ann:hunter22@${sandbox.directory}/x?password=swordfish`]),
      sandbox.run(["stats", url]),
      sandbox.run(["nonsense", url]),
    ]);
    for (const { code, stdout, stderr } of runs) {
      expect(code).not.toBe(0);
      expect(stdout + stderr).not.toMatch(/hunter22|swordfish/);
    }
    expect(runs[0]?.stderr).toContain("warning: --url has a password in it");
    expect(runs[1]?.stderr).not.toContain("--url has");
  });
});
