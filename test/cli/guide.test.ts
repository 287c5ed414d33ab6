import { chmodSync, cpSync, mkdirSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { compiled, Sandbox } from "./run-cli.ts";

/** What the handlers of the guide import is this source. */
function installSource(folder: string): void {
  const installed = join(folder, "node_modules/jobferry");
  mkdirSync(installed, { recursive: true });
  const entry = pathToFileURL(join(import.meta.dirname, "../../src/entry/index.ts"));
  writeFileSync(join(installed, "index.js"), `export * from ${JSON.stringify(entry.href)};\n`);
  writeFileSync(
    join(installed, "package.json"),
    JSON.stringify({ name: "jobferry", type: "module", main: "index.js" }),
  );
}

/** Some thirty processes, one after the other. */
test("the commands of the guide run from top to bottom", { timeout: 120_000 }, () => {
  const sandbox = new Sandbox();
  cpSync(join(import.meta.dirname, "guide"), sandbox.directory, { recursive: true });
  installSource(sandbox.directory);
  const shim = join(sandbox.directory, "jobferry");
  const main = join(import.meta.dirname, "../../src/cli/main.ts");
  writeFileSync(shim, `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`);
  chmodSync(shim, 0o755);
  const PATH = `${sandbox.directory}:${process.env["PATH"] ?? ""}`;
  const run = spawnSync("bash", ["guide.sh"], {
    cwd: sandbox.directory,
    env: { ...process.env, PATH, NODE_COMPILE_CACHE: compiled },
    encoding: "utf8",
  });
  expect(run.status, run.stderr).toBe(0);
  expect(run.stdout).toContain("Sending email: { to: 'ann@example.org' }");
  expect(run.stdout).toContain("A mail to bob@example.org");
  expect(run.stdout).toContain("Error: The report service is down.");
  expect(run.stdout).toContain("Pushed 0 jobs (lines 1 to 4 were stored earlier)");
});
