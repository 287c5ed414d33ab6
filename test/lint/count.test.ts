import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
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
])("counts %s", (_, text, line, status) => {
  writeFileSync(join(folder, "report.json"), text);
  expect(count("report.json")).toMatchObject({ line, status });
});

it("counts a missing report as a failure", () => {
  expect(count("none.json")).toMatchObject({ line: "0 passed, 1 failed", status: 1 });
});

it("names before the counts what failed and why", () => {
  writeFileSync(join(folder, "report.json"), report(3, 1, 0, [loaded, withFailure, notLoaded]));
  expect(count("report.json").before).toEqual([
    "FAILED test/a.test.ts > adds numbers",
    "Error: 3 is not 2",
    "FAILED test/b.test.ts: no such module",
  ]);
});

function report(passed: number, failed: number, skipped: number, testResults: readonly unknown[]): string {
  const success = testResults.every((result) => result === loaded);
  const counts = { numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped };
  return JSON.stringify({ ...counts, success, testResults });
}

function count(file: string): { line: string; before: readonly string[]; status: number | null } {
  const { stdout, status } = spawnSync("node", ["scripts/count.mjs", join(folder, file)], { encoding: "utf8" });
  return { line: stdout.trimEnd().split("\n").at(-1) ?? "", before: stdout.trimEnd().split("\n").slice(0, -1), status };
}
