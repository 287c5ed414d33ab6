import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

export type Finding = Readonly<{ file: string; rule: string }>;
type Report = Readonly<{ diagnostics: readonly Readonly<{ filename: string; code: string }>[] }>;

/** A copy of the project's lint configuration in a folder of its own, holding the given files. */
export function lintFiles(files: Readonly<Record<string, string>>): { folder: string; findings: readonly Finding[] } {
  const folder = mkdtempSync(join(tmpdir(), "jobferry-lint-"));
  for (const config of [".oxlintrc.json", "tsconfig.json", "package.json"]) copyFileSync(config, join(folder, config));
  symlinkSync(resolve("node_modules"), join(folder, "node_modules"));
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  }
  const { diagnostics } = JSON.parse(oxlint(folder)) as Report;
  return { folder, findings: diagnostics.map(({ filename, code }) => ({ file: filename, rule: code })) };
}

function oxlint(folder: string): string {
  const options = { cwd: folder, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 } as const;
  try {
    return execFileSync(resolve("node_modules/.bin/oxlint"), ["--format", "json"], options);
  } catch (error) {
    const { stdout } = error as { stdout?: string };
    if (stdout) return stdout;
    throw error;
  }
}
