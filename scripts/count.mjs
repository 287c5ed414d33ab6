// Usage: node scripts/count.mjs [report]. Prints `N passed, N failed[, N skipped]` from vitest's json report.
import { readFileSync } from "node:fs";

const report = read(process.argv[2] ?? "test-results/vitest.json");
if (report) {
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
