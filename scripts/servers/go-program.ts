import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findPrograms } from "./find-programs.ts";
import type { Installer } from "./locate.ts";
import { runProgram } from "./run-program.ts";

export type GoSource = Readonly<{
  module: string;
  version: string;
  /** The package with the program's main function. */
  main: string;
  /** What the finished program is called. */
  name: string;
}>;

/** The folder in a kind's cache into which `goProgram` puts what it has built. */
export function goPrograms(cache: string, version: string): string {
  return join(cache, version);
}

/**
 * A program built from a Go module, for anybody who has Go. In a module of its own: `go install` refuses modules that replace others. The checksum
 * database vouches for what comes.
 */
export function goProgram({ module, version, main, name }: GoSource): Installer {
  return {
    isPossible: () => go() !== undefined,
    install: async (cache) => {
      const draft = join(cache, "draft");
      rmSync(draft, { recursive: true, force: true });
      mkdirSync(draft, { recursive: true });
      writeFileSync(join(draft, "go.mod"), "module jobferry.test/server\n\ngo 1.21\n");
      const run = (...args: readonly string[]): Promise<string> =>
        runProgram(go() ?? "go", args, { cwd: draft, env: { CGO_ENABLED: "0", GOWORK: "off" } });
      await run("get", `${module}@${version}`);
      await run("build", "-trimpath", "-mod=mod", "-ldflags", "-s -w", "-o", join(draft, "bin", name), main);
      rmSync(goPrograms(cache, version), { recursive: true, force: true });
      renameSync(join(draft, "bin"), goPrograms(cache, version));
      rmSync(draft, { recursive: true });
    },
  };
}

function go(): string | undefined {
  return findPrograms(["go"], ["/usr/local/go/bin", "/usr/lib/go*/bin", "/opt/homebrew/bin"])?.["go"];
}
