import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, rmSync } from "node:fs";

const bin = "dist/cli/main.js";

rmSync("dist", { recursive: true, force: true });
const { status } = spawnSync("tsc", ["-p", "tsconfig.build.json"], { stdio: "inherit" });
if (existsSync(bin)) chmodSync(bin, 0o755);
process.exitCode = status ?? 1;
