// Usage: npm test -- [--only memory,sqlite] [--require all] [anything vitest takes: file filters, --project unit, -t name]
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";

const report = "test-results/vitest.json";
const variables = { "--only": "JOBFERRY_ONLY", "--require": "JOBFERRY_REQUIRE" };

const env = { ...process.env };
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
const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
const passed = run("npm", ["run", "-s", "build"]) && run("vitest", ["run", ...reporters, ...forwarded]);

process.argv.length = 2;
await import("./count.mjs");
if (!passed) process.exitCode = 1;

function run(command, args) {
  return spawnSync(command, args, { stdio: "inherit", env }).status === 0;
}
