import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";

const steps = {
  types: "tsc -p tsconfig.json",
  declarations: "tsc -p tsconfig.build.json --noEmit",
  lint: "oxlint --deny-warnings",
  unused: "knip --no-progress",
  format: "oxfmt --check",
  docs: "node scripts/docs-parity.mjs",
  "docs blocks": "node scripts/docs-blocks.mjs",
  "conformance names": "node scripts/conformance-names.mjs",
  capabilities: "node scripts/capability-table.ts --check",
};

const waiting = Object.entries(steps);
let failures = 0;
await Promise.all(Array.from({ length: availableParallelism() }, runSteps));
process.exitCode = failures > 0 ? 1 : 0;

async function runSteps() {
  for (let step = waiting.shift(); step; step = waiting.shift()) {
    const [name, command] = step;
    const start = performance.now();
    const { status, output } = await run(command);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(`${status === 0 ? "ok  " : "FAIL"} ${name} (${seconds} s)`);
    if (status === 0) continue;
    failures += 1;
    console.log(`\n$ ${command}\n${output}`);
  }
}

function run(command) {
  return new Promise((resolve) => {
    const child = spawn(command, { shell: true, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const collect = (chunk) => (output += chunk);
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.on("close", (status) => resolve({ status, output }));
  });
}
