import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "jobferry-count-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const loaded = { status: "passed", assertionResults: [{ status: "passed" }] };
const notLoaded = { status: "failed", assertionResults: [] };
const withFailure = { status: "failed", assertionResults: [{ status: "failed" }, { status: "passed" }] };

it.each([
  ["all passed", report(3, 0, 0, [loaded]), "3 passed, 0 failed", 0],
  ["some skipped", report(3, 0, 2, [loaded]), "3 passed, 0 failed, 2 skipped", 0],
  ["a failed test", report(3, 1, 0, [loaded, withFailure]), "3 passed, 1 failed", 1],
  ["a file that did not load", report(3, 0, 0, [loaded, notLoaded]), "3 passed, 1 failed", 1],
  ["no test at all", report(0, 0, 0, []), "0 passed, 0 failed", 1],
  ["a damaged report", "{", "0 passed, 1 failed", 1],
])("counts %s", (_, text, line, status) => {
  writeFileSync(join(folder, "report.json"), text);
  expect(count("report.json")).toEqual({ line, status });
});

it("counts a missing report as a failure", () => {
  expect(count("none.json")).toEqual({ line: "0 passed, 1 failed", status: 1 });
});

function report(passed: number, failed: number, skipped: number, testResults: readonly unknown[]): string {
  const success = testResults.every((result) => result === loaded);
  const counts = { numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped };
  return JSON.stringify({ ...counts, success, testResults });
}

function count(file: string): { line: string; status: number | null } {
  const { stdout, status } = spawnSync("node", ["scripts/count.mjs", join(folder, file)], { encoding: "utf8" });
  return { line: stdout.trimEnd(), status };
}
