import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { errorOf, Sandbox } from "./run-cli.ts";

const HANDLERS = `
import { writeSync } from "node:fs";
type Payload = Readonly<{ wait?: "polite" | "deaf"; fail?: string }> | undefined;
export default async (job: { payload: unknown }, context: { signal: AbortSignal }): Promise<void> => {
  const { wait, fail } = (job.payload as Payload) ?? {};
  if (fail !== undefined) throw new Error(fail);
  if (wait === undefined) return;
  writeSync(2, "started\\n");
  await new Promise((_, reject) => {
    setTimeout(() => undefined, 60_000);
    if (wait === "polite") context.signal.addEventListener("abort", () => reject(context.signal.reason));
  });
};
`;

function withHandlers(source: string = HANDLERS, file = "handlers.ts"): Sandbox {
  const sandbox = new Sandbox();
  writeFileSync(join(sandbox.directory, file), source);
  return sandbox;
}

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
  test("until empty: counts as data on stdout, what failed on stderr", async () => {
    const sandbox = withHandlers();
    const lines = ['{"payload":1}', '{"payload":{"fail":"no good"},"maxAttempts":1,"id":"bad"}', '{"payload":2}'];
    await sandbox.data(["push", "--file", "-"], lines.join("\n"));
    const result = await sandbox.run(["work", "--handlers", "handlers.ts", "--stop-when-empty", "--json", "-c", "5"]);
    expect(result.code, result.stderr).toBe(0);
    expect(JSON.parse(result.stdout)).toMatchObject({
      version: 1,
      data: { reason: "empty", completed: 2, failedAttempts: 1, dead: 1, handedBack: 0 },
    });
    const events = result.stderr
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { event?: string; id?: string });
    expect(events).toContainEqual(expect.objectContaining({ event: "dead", id: "bad" }));
  });

  test.for(["threads", "processes"])("isolated in %s", async (isolation) => {
    const sandbox = withHandlers();
    await sandbox.data(["push", "--file", "-"], Array.from({ length: 20 }, () => '{"payload":1}').join("\n"));
    const args = ["work", "--handlers", "handlers.ts", "--isolation", isolation, "--workers", "2", "--stop-when-empty"];
    expect(await sandbox.data(args)).toMatchObject({ reason: "empty", completed: 20 });
  });

  test("queues in strict order, --max-jobs and --max-time", async () => {
    const sandbox = withHandlers();
    for (const queue of ["low", "high", "high"]) await sandbox.data(["push", "x", "--queue", queue]);
    const work = ["work", "--handlers", "handlers.ts", "--queue", "high,low"];
    expect(await sandbox.data([...work, "--max-jobs", "2"])).toMatchObject({ reason: "maxJobs", completed: 2 });
    expect(await sandbox.data(["stats", "low"])).toMatchObject({ queues: [{ pendingJobs: 1 }] });
    expect(await sandbox.data([...work, "--max-time", "300ms"])).toMatchObject({ reason: "maxTime", completed: 1 });
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

describe("signals", () => {
  const work = ["work", "--handlers", "handlers.ts"];

  async function working(wait: "polite" | "deaf" | undefined, args: readonly string[] = []) {
    const sandbox = withHandlers();
    if (wait !== undefined) await sandbox.data(["push", "x", JSON.stringify({ wait })]);
    const started = sandbox.start([...work, ...args]);
    await started.says(wait === undefined ? "Working on default" : "started");
    return { sandbox, ...started };
  }

  test.for(["SIGTERM", "SIGINT", "SIGUSR2", "SIGQUIT"] as const)("%s while idle: 0", async (signal) => {
    const { child, ended } = await working(undefined);
    child.kill(signal);
    expect(await ended).toMatchObject({ code: 0, signal: null });
  });

  test("SIGTERM and the drain deadline passed: 7, and the job is back with its attempt", async () => {
    const { sandbox, child, ended } = await working("polite", ["--stop-timeout", "100ms"]);
    child.kill("SIGTERM");
    expect(await ended).toMatchObject({ code: 7, signal: null });
    expect(await sandbox.data(["jobs"])).toMatchObject([{ state: "pending", attempts: 0 }]);
  });

  test.for([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("%s twice aborts what runs: %i; the first says so", async ([signal, code]) => {
    const { sandbox, child, ended, says } = await working("polite");
    child.kill(signal);
    await says("Once more aborts them");
    child.kill(signal);
    expect(await ended).toMatchObject({ code });
    expect(await sandbox.data(["jobs"])).toMatchObject([{ state: "pending" }]);
  });

  test("a third exits at once, whatever the handler does", async () => {
    const { child, ended, says } = await working("deaf");
    child.kill("SIGTERM");
    await says("Once more aborts them");
    child.kill("SIGTERM");
    await says("Once more exits");
    child.kill("SIGTERM");
    expect(await ended).toMatchObject({ code: 143 });
  });

  test("SIGQUIT hands a running job back now", async () => {
    const { sandbox, child, ended } = await working("polite");
    child.kill("SIGQUIT");
    expect((await ended).signal).toBeNull();
    expect(await sandbox.data(["jobs"])).toMatchObject([{ state: "pending", attempts: 0 }]);
  });

  test("SIGTSTP stops fetching, SIGCONT goes on", async () => {
    const { sandbox, child, ended, says } = await working(undefined, ["--verbose"]);
    child.kill("SIGTSTP");
    await says("no new jobs until SIGCONT");
    await sandbox.data(["push", "x", "--id", "quiet"]);
    expect(await sandbox.data(["jobs", "quiet"])).toMatchObject({ state: "pending" });
    child.kill("SIGCONT");
    await says("completed x quiet");
    child.kill("SIGTERM");
    expect(await ended).toMatchObject({ code: 0 });
  });
});
