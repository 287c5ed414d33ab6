import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
const NPM = ["--no-audit", "--no-fund", "--loglevel=error"];

/** `folder`: everything made here. `project`: it has the package in its node_modules. `consumer`: where to run its files. `installed`: the package in its node_modules. */
export type Installed = Readonly<{ folder: string; project: string; consumer: string; installed: string }>;

/**
 * A project with what `npm pack` makes of the built tree, as a user installs it. The files of `consumer` and the driver of the
 * documentation lie at the same paths as here, so that the compiler and Node.js find them in both places.
 */
export async function installPackage(): Promise<Installed> {
  const folder = mkdtempSync(join(tmpdir(), "jobferry-package-"));
  await run("npm", ["pack", "--ignore-scripts", "--pack-destination", folder], { cwd: REPOSITORY });
  const [tarball] = readdirSync(folder).filter((name) => name.endsWith(".tgz"));
  if (tarball === undefined) throw new Error("npm pack made no file");
  const project = join(folder, "project");
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "consumer", private: true, type: "module" }));
  await run("npm", ["install", ...NPM, join(folder, tarball)], { cwd: project });
  for (const path of ["test/package/consumer", "examples/minimal-driver.ts"]) {
    cpSync(join(REPOSITORY, path), join(project, path), { recursive: true });
  }
  return {
    folder,
    project,
    consumer: join(project, "test/package/consumer"),
    installed: join(project, "node_modules/jobferry"),
  };
}

/** What it printed; rejects when it ends with anything but 0. */
export async function output(file: string, args: readonly string[], cwd: string): Promise<string> {
  const { stdout } = await run(file, [...args], { cwd, env: { ...process.env, NODE_OPTIONS: "", JOBFERRY_URL: "" } });
  return stdout.trim();
}
