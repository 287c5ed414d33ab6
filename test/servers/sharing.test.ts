import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { startBroker } from "./broker.ts";
import type { ServerRow } from "./broker.ts";
import { isLeftOut, isRequired } from "./policy.ts";
import { isServerAvailable, sharedServer } from "./shared-server.ts";

const folder = mkdtempSync(join(tmpdir(), "jobferry-sharing-"));
const report = join(folder, "servers.json");
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

describe.runIf(await isServerAvailable("redis"))("a shared server", () => {
  it("is one for all processes that ask at the same time, and ends with the run", async () => {
    vi.stubEnv("JOBFERRY_ONLY", "redis");
    const broker = await startBroker(report);
    const ask = `fetch("${broker.url}/shared/redis").then((answer) => answer.text()).then(console.log)`;
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => promisify(execFile)(process.execPath, ["-e", ask])),
    );
    const [first = "", ...others] = answers.map(({ stdout }) => stdout);
    expect(JSON.parse(first)).toMatchObject({ address: { kind: "redis", host: "127.0.0.1" } });
    expect(new Set(others)).toEqual(new Set([first]));
    await broker.close();
    expect(rows()).toMatchObject([{ name: "redis", ran: true }]);
  });

  it("that takes longer than a request may is asked for again", async () => {
    vi.stubEnv("JOBFERRY_ONLY", "redis");
    const broker = await startBroker(report, 1);
    expect(await (await fetch(`${broker.url}/shared/redis`)).json()).toEqual({ later: true });
    vi.stubEnv("JOBFERRY_SERVERS", broker.url);
    expect(await sharedServer("redis")).toMatchObject({ kind: "redis" });
    await broker.close();
  });

  it("is the same in every file of this run", async () => {
    expect(await sharedServer("redis")).toEqual(await sharedServer("redis"));
  });
});

describe("a server that is left out", () => {
  it("is not started, and the report says why", async () => {
    vi.stubEnv("JOBFERRY_ONLY", "memory,sqlite");
    const broker = await startBroker(report);
    const answers = ["shared/redis", "available/postgres"].map(async (path) =>
      (await fetch(`${broker.url}/${path}`)).json(),
    );
    expect(await Promise.all(answers)).toEqual([{ reason: "left out by --only" }, { reason: "left out by --only" }]);
    await broker.close();
    expect(rows().map(({ ran, what }) => ({ ran, what }))).toEqual([
      { ran: false, what: "left out by --only" },
      { ran: false, what: "left out by --only" },
    ]);
  });

  it("fails a run that requires it", async () => {
    vi.stubEnv("JOBFERRY_ONLY", "memory");
    vi.stubEnv("JOBFERRY_REQUIRE", "all");
    const broker = await startBroker(report);
    vi.stubEnv("JOBFERRY_SERVERS", broker.url);
    await expect(sharedServer("redis")).rejects.toThrow("redis did not run: left out by --only");
    await expect(isServerAvailable("redis")).rejects.toThrow("redis did not run: left out by --only");
    await broker.close();
  });
});

describe("what a run uses", () => {
  it.each([
    ["", false],
    ["memory,sqlite", true],
    ["redis", false],
    [" redis , memory", false],
    ["redis-cluster", true],
  ])("with --only %j", (only, leftOut) => {
    vi.stubEnv("JOBFERRY_ONLY", only);
    expect(isLeftOut("redis")).toBe(leftOut);
  });

  it("takes a driver's name for all its servers", () => {
    vi.stubEnv("JOBFERRY_ONLY", "redis");
    expect(isLeftOut("redis-cluster")).toBe(false);
    expect(isLeftOut("postgres")).toBe(true);
  });

  it.each([
    ["", "", false],
    ["all", "", true],
    ["redis", "", true],
    ["postgres", "", false],
    ["", "true", true],
    ["", "false", false],
  ])("with --require %j and CI=%j", (require, ci, required) => {
    vi.stubEnv("JOBFERRY_REQUIRE", require);
    vi.stubEnv("CI", ci);
    expect(isRequired("redis")).toBe(required);
  });
});

function rows(): readonly ServerRow[] {
  return JSON.parse(readFileSync(report, "utf8")) as ServerRow[];
}
