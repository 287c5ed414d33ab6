// Usage: npm test -- [--only memory,sqlite] [--require all] [anything vitest takes: file filters, --project unit, -t name]
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";

const report = "test-results/vitest.json";
const serversReport = "test-results/servers.json";
const variables = { "--only": "JOBFERRY_ONLY", "--require": "JOBFERRY_REQUIRE" };

// The run ends when this process does: see test/servers/global-setup.ts.
const env = { ...process.env, JOBFERRY_TEST_RUNNER: String(process.pid) };
const forwarded = [];
for (let rest = process.argv.slice(2); rest.length > 0;) {
  const [argument, ...after] = rest;
  const [name, inline] = argument.split(/=(.*)/s);
  const variable = variables[name];
  rest = after;
  if (!variable) forwarded.push(argument);
  else env[variable] = inline ?? rest.shift() ?? "";
}

rmSync(report, { force: true });
rmSync(`${report}.errors`, { force: true });
rmSync(serversReport, { force: true });
const reporters = ["default", "json", "./scripts/error-reporter.ts"].map((name) => `--reporter=${name}`);
reporters.push(`--outputFile.json=${report}`);
const passed = run("npm", ["run", "-s", "build"]) && run("vitest", ["run", ...reporters, ...forwarded]);

const complete = run("node", [
  "--disable-warning=ExperimentalWarning",
  "scripts/driver-table.ts",
  report,
  serversReport,
]);
process.argv.length = 2;
await import("./count.mjs");
if (!passed || !complete) process.exitCode = 1;

function run(command, args) {
  return spawnSync(command, args, { stdio: "inherit", env }).status === 0;
}
