import { chmodSync, cpSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { compiled, Sandbox } from "./run-cli.ts";

/** Some thirty processes, one after the other. */
test("the commands of the guide run from top to bottom", { timeout: 120_000 }, () => {
  const sandbox = new Sandbox();
  cpSync(join(import.meta.dirname, "guide"), sandbox.directory, { recursive: true });
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
  expect(run.stdout).toContain("Error: The report service is down.");
  expect(run.stdout).toContain("Pushed 0 jobs (lines 1 to 4 were stored earlier)");
});
