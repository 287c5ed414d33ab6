// Usage: node scripts/count.mjs [report]. Prints what failed, and then `N passed, N failed[, N skipped]`, from vitest's
// json report: whoever keeps only the end of a long log reads there which test it was.
import { readFileSync } from "node:fs";
import { relative } from "node:path";

const report = read(process.argv[2] ?? "test-results/vitest.json");
if (report) {
  report.testResults.filter((file) => file.status === "failed").forEach(printFailures);
  const failed = report.numFailedTests + report.testResults.filter(didNotLoad).length;
  const skipped = report.numPendingTests ? `, ${report.numPendingTests} skipped` : "";
  console.log(`${report.numPassedTests} passed, ${failed} failed${skipped}`);
  process.exitCode = failed > 0 || !report.success || report.numPassedTests === 0 ? 1 : 0;
} else {
  console.log("0 passed, 1 failed");
  process.exitCode = 1;
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

function printFailures(file) {
  if (didNotLoad(file)) console.log(`FAILED ${nameOf(file)}: ${file.message}`);
  for (const test of file.assertionResults.filter(({ status }) => status === "failed")) {
    console.log(`FAILED ${nameOf(file)} > ${test.fullName}\n${test.failureMessages.join("\n")}`);
  }
}

function nameOf(file) {
  return relative(process.cwd(), file.name);
}
