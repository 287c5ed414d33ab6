import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const CACHE = fileURLToPath(new URL("../node_modules/.cache/jobferry-nodes", import.meta.url));

/** The binary of a Node.js release, from its npm package; kept between runs in this project's node_modules. */
export function nodeBinary(release: string): string {
  const folder = join(CACHE, release);
  const binary = join(folder, "node_modules", "node", "bin", "node");
  if (existsSync(binary)) return binary;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, allowScripts: { node: true } }));
  const install = ["install", "--no-audit", "--no-fund", "--loglevel=error", `node@${release}`];
  const { status, stderr } = spawnSync("npm", install, { cwd: folder, encoding: "utf8" });
  if (status !== 0 || !existsSync(binary)) throw new Error(`node@${release} could not be installed: ${stderr}`);
  return binary;
}
