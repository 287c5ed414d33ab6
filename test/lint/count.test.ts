import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { afterAll, expect, it } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "jobferry-count-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const loaded = { status: "passed", assertionResults: [{ status: "passed" }] };
const notLoaded = {
  name: resolve("test/b.test.ts"),
  status: "failed",
  message: "no such module",
  assertionResults: [],
};
const failed = { status: "failed", fullName: "adds numbers", failureMessages: ["Error: 3 is not 2"] };
const withFailure = {
  name: resolve("test/a.test.ts"),
  status: "failed",
  assertionResults: [failed, { status: "passed" }],
};

it.each([
  ["all passed", report(3, 0, 0, [loaded]), "3 passed, 0 failed", 0],
  ["some skipped", report(3, 0, 2, [loaded]), "3 passed, 0 failed, 2 skipped", 0],
  ["a failed test", report(3, 1, 0, [loaded, withFailure]), "3 passed, 1 failed", 1],
  ["a file that did not load", report(3, 0, 0, [loaded, notLoaded]), "3 passed, 1 failed", 1],
  ["no test at all", report(0, 0, 0, []), "0 passed, 0 failed", 1],
  ["a damaged report", "{", "0 passed, 1 failed", 1],
  ["what is no report", "[]", "0 passed, 1 failed", 1],
  ["a run that fails and does not say why", report(3, 0, 0, [{ ...loaded }]), "3 passed, 1 failed", 1],
])("counts %s", (_, text, line, status) => {
  write("report.json", text);
  expect(count("report.json")).toMatchObject({ line, status });
});

it("counts a missing report as a failure", () => {
  expect(count("none.json")).toMatchObject({ line: "0 passed, 1 failed", status: 1 });
});

it("counts errors that no test waits for, of which vitest's own report says nothing", () => {
  write("report.json", report(3, 0, 0, [loaded]), [
    { kind: "unhandled", file: "test/c.test.ts", where: " > c", what: "boom" },
  ]);
  expect(count("report.json")).toEqual({
    line: "3 passed, 1 failed",
    before: ["FAILED by an error that no test waits for: test/c.test.ts > c", "boom"],
    status: 1,
  });
});

it("hears from vitest of such errors and of hooks that failed, where and why", () => {
  const project = mkdtempSync(join(folder, "project-"));
  const text = `it("floats", async () => {
    void Promise.reject(new Error("lost", { cause: new Error("deeper") }));
    await new Promise((resolve) => setTimeout(resolve, 20));
  });
  describe("outer", () => {
    beforeAll(() => { throw new Error("no ground"); });
    it("is skipped", () => undefined);
  });`;
  writeFileSync(join(project, "floating.test.js"), text);
  writeFileSync(join(project, "vitest.config.js"), "export default {};");
  const reporters = ["--reporter=json", `--reporter=${resolve("scripts/error-reporter.ts")}`];
  const options = ["--root", project, "--globals", ...reporters, "--outputFile.json=report.json"];
  const run = spawnSync("node", [resolve("node_modules/vitest/vitest.mjs"), "run", ...options], { cwd: project });
  expect(run.status).toBe(1);
  const { line, before, status } = count(join(relative(folder, project), "report.json"));
  expect({ line, status }).toEqual({ line: "1 passed, 2 failed, 1 skipped", status: 1 });
  const told = before.join("\n");
  expect(told).toContain(
    "FAILED by an error that no test waits for: floating.test.js > floats\nUnhandled Rejection: Error: lost",
  );
  expect(told).toContain("caused by Error: deeper");
  expect(told).toContain("FAILED in a hook: floating.test.js > outer\nError: no ground");
});

it("adds up the runs of several releases of Node.js, and says what failed in any of them", () => {
  write("report.json", report(3, 0, 2, [loaded]));
  write("other.json", report(4, 1, 1, [withFailure]));
  expect(count("report.json", "report.json")).toMatchObject({ line: "6 passed, 0 failed, 4 skipped", status: 0 });
  expect(count("other.json", "report.json")).toMatchObject({ line: "7 passed, 1 failed, 3 skipped", status: 1 });
  expect(count("report.json", "none.json")).toMatchObject({ line: "3 passed, 1 failed, 2 skipped", status: 1 });
});

it("counts what a run left of its unhandled errors as a failure, when it is missing or damaged", () => {
  write("report.json", report(3, 0, 0, [loaded]));
  writeFileSync(join(folder, "report.json.errors"), "{");
  expect(count("report.json")).toMatchObject({ line: "3 passed, 1 failed", status: 1 });
  rmSync(join(folder, "report.json.errors"));
  expect(count("report.json")).toMatchObject({ line: "3 passed, 1 failed", status: 1 });
});

it("never says that nothing failed when a step did", () => {
  write("report.json", report(3, 0, 0, [loaded]));
  expect(count("--step=npm run check", "report.json")).toEqual({
    line: "3 passed, 1 failed",
    before: ["FAILED npm run check"],
    status: 1,
  });
});

it("names before the counts what failed and why", () => {
  write("report.json", report(3, 1, 0, [loaded, withFailure, notLoaded]));
  expect(count("report.json").before).toEqual([
    "FAILED test/a.test.ts > adds numbers",
    "Error: 3 is not 2",
    "FAILED test/b.test.ts: no such module",
  ]);
});

function write(file: string, text: string, errors: readonly unknown[] = []): void {
  writeFileSync(join(folder, file), text);
  writeFileSync(join(folder, `${file}.errors`), JSON.stringify(errors));
}

function report(passed: number, failed: number, skipped: number, testResults: readonly unknown[]): string {
  const success = testResults.every((result) => result === loaded);
  const counts = { numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped };
  return JSON.stringify({ ...counts, success, testResults });
}

function count(...files: readonly string[]): { line: string; before: readonly string[]; status: number | null } {
  const reports = files.map((file) => (file.startsWith("--") ? file : join(folder, file)));
  const { stdout, status } = spawnSync("node", ["scripts/count.mjs", ...reports], { encoding: "utf8" });
  return { line: stdout.trimEnd().split("\n").at(-1) ?? "", before: stdout.trimEnd().split("\n").slice(0, -1), status };
}
