/** Which servers this run is to use: DESIGN 10's `--only`, `--require` and CI. */
import type { ServerName } from "../../scripts/servers/registry.ts";

/** `redis` stands for `redis-cluster`, too: it is the same driver. */
export function isLeftOut(name: ServerName): boolean {
  const only = words("JOBFERRY_ONLY");
  return only.length > 0 && !names(name).some((word) => only.includes(word));
}

/** Whether the run fails when the server does not run. */
export function isRequired(name: ServerName): boolean {
  const required = words("JOBFERRY_REQUIRE");
  return isInCi() || ["all", ...names(name)].some((word) => required.includes(word));
}

/** Where nothing may be left out because the machine lacks something. */
export function isInCi(): boolean {
  return ["true", "1"].includes(process.env["CI"] ?? "");
}

function names(name: ServerName): readonly string[] {
  return [name, name.replace(/-.*/, "")];
}

function words(variable: string): readonly string[] {
  return (process.env[variable] ?? "").split(",").flatMap((word) => word.trim() || []);
}
