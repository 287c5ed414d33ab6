// Usage: node scripts/count.mjs [--step=WHAT ...] [report ...]. Prints what failed, and then `N passed, N failed[, N skipped]`
// of all these runs, from vitest's json reports and what scripts/error-reporter.ts lays beside them: whoever keeps only the end of
// a long log reads there which test it was. A step is one that failed, for whatever reason: then it is never `0 failed`.
import { readFileSync } from "node:fs";
import { relative } from "node:path";

const WHY = { unhandled: "by an error that no test waits for", hook: "in a hook" };
const STEP = "--step=";
const words = process.argv.slice(2);
const steps = words.flatMap((word) => (word.startsWith(STEP) ? [word.slice(STEP.length)] : []));
const files = words.filter((word) => !word.startsWith(STEP));
const runs = (files.length > 0 ? files : ["test-results/vitest.json"]).map(countRun);
for (const step of steps) console.log(`FAILED ${step}`);
const sum = (key) => runs.reduce((total, run) => total + run[key], 0);
const failed = Math.max(sum("failed"), steps.length);
const skipped = sum("skipped") ? `, ${sum("skipped")} skipped` : "";
console.log(`${sum("passed")} passed, ${failed} failed${skipped}`);
process.exitCode = failed === 0 && runs.every(({ passed }) => passed > 0) ? 0 : 1;

function countRun(file) {
  const report = read(file);
  const errors = read(`${file}.errors`);
  if (!Array.isArray(report?.testResults)) return { passed: 0, failed: missing(file), skipped: 0 };
  const noErrors = Array.isArray(errors) ? 0 : missing(`${file}.errors`);
  const found = noErrors ? [] : errors;
  const hooks = new Set(found.flatMap(({ kind, file: name }) => (kind === "hook" ? [name] : [])));
  for (const result of report.testResults) if (result.status === "failed") printFailures(result, hooks);
  for (const { kind, file: name, where, what } of found)
    console.log(`FAILED ${WHY[kind]}: ${[name, where].join("")}\n${what}`);
  const unhandled = found.filter(({ kind }) => kind === "unhandled").length;
  const failures = report.numFailedTests + report.testResults.filter(didNotLoad).length + unhandled + noErrors;
  // Vitest says that the run failed, and not why.
  const unexplained = failures === 0 && !report.success ? 1 : 0;
  if (unexplained) console.log("FAILED for a reason that the report does not tell");
  return { passed: report.numPassedTests, failed: failures + unexplained, skipped: report.numPendingTests };
}

function missing(file) {
  console.log(`FAILED there is no report ${relative(process.cwd(), file)}, or it is damaged`);
  return 1;
}

function read(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

/** Vitest leaves a file that fails outside its tests out of every count. */
function didNotLoad(file) {
  return file.status === "failed" && file.assertionResults.every((test) => test.status !== "failed");
}

/** `hooks`: the files whose hooks say themselves what failed. */
function printFailures(file, hooks) {
  if (didNotLoad(file) && !hooks.has(nameOf(file))) console.log(`FAILED ${nameOf(file)}: ${file.message}`);
  for (const test of file.assertionResults.filter(({ status }) => status === "failed")) {
    console.log(`FAILED ${nameOf(file)} > ${test.fullName}\n${test.failureMessages.join("\n")}`);
  }
}

function nameOf(file) {
  return relative(process.cwd(), file.name);
}
