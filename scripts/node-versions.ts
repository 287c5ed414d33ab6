// Usage: npm run test:nodes -- the unit, property and conformance tests on the oldest and the newest supported Node.js.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { nodeBinary } from "./node-binary.ts";

const RELEASES = ["22.22.3", "26.10.0"];
const PROJECTS = ["unit", "property", "conformance"];
const ROOT = fileURLToPath(new URL("..", import.meta.url));

let failed = false;
for (const release of RELEASES) {
  process.stdout.write(`\nNode.js ${release}\n`);
  const reporters = ["default", "json", "./scripts/error-reporter.ts"].map((name) => `--reporter=${name}`);
  const report = `--outputFile.json=test-results/node-${release}.json`;
  const projects = PROJECTS.flatMap((name) => ["--project", name]);
  const vitest = ["node_modules/vitest/vitest.mjs", "run", ...reporters, report, ...projects];
  const { status } = spawnSync(nodeBinary(release), vitest, { cwd: ROOT, stdio: "inherit" });
  failed ||= status !== 0;
}
process.exitCode = failed ? 1 : 0;
