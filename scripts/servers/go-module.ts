import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findPrograms } from "./find-programs.ts";
import type { Installer, Located } from "./locate.ts";
import { runProgram } from "./run-program.ts";

const GO_FOLDERS = ["/usr/local/go/bin", "/usr/lib/go*/bin", "/opt/homebrew/bin"];

/** What `goModule` has built. */
export function builtModule(cache: string, name: string): Located | undefined {
  const path = join(cache, name);
  return existsSync(path) ? { [name]: path } : undefined;
}

/**
 * Builds the module in `go/NAME` once, for anybody with Go, which checks what it downloads against go.sum. It takes minutes of the whole machine,
 * so it goes behind everything else that runs.
 */
export function goModule(name: string): Installer {
  return {
    isPossible: () => goCommand() !== undefined,
    install: async (cache) => {
      const draft = join(cache, "draft");
      rmSync(draft, { recursive: true, force: true });
      mkdirSync(draft);
      cpSync(fileURLToPath(new URL(`go/${name}`, import.meta.url)), draft, { recursive: true });
      const go = goCommand() ?? "go";
      const build = ["build", "-mod=readonly", "-trimpath", "-ldflags", "-s -w", "-o", name, "."];
      await runProgram("nice", ["-n", "19", go, ...build], { cwd: draft, env: { CGO_ENABLED: "0" } });
      renameSync(join(draft, name), join(cache, name));
      rmSync(draft, { recursive: true });
    },
  };
}

function goCommand(): string | undefined {
  return findPrograms(["go"], GO_FOLDERS)?.["go"];
}
