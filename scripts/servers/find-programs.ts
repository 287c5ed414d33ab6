import { spawnSync } from "node:child_process";
import { accessSync, constants, globSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { Located } from "./locate.ts";

const ANSWER_WAIT = 5_000;

/**
 * All programs from one folder, so that their versions agree: the first folder of the PATH that has them, then those of
 * `folders` (patterns), the highest version first.
 */
export function findPrograms(names: readonly string[], folders: readonly string[] = []): Located | undefined {
  const others = folders.flatMap((pattern) => globSync(pattern).toSorted(byVersion).toReversed());
  return programsIn(names, [...pathFolders(), ...others]);
}

/** All programs from the first folder of the PATH where the first of them says a version that fits. */
export function findOnPath(names: readonly string[], fits: (version: Version) => boolean): Located | undefined {
  for (const folder of pathFolders()) {
    const found = programsIn(names, [folder]);
    const version = found && versionOf(found[names[0] ?? ""]);
    if (version !== undefined && fits(version)) return found;
  }
  return undefined;
}

export type Version = Readonly<{ major: number; minor: number }>;

/** By path: a program is asked at every start of a server otherwise. */
const versions = new Map<string, Version>();

function versionOf(path = ""): Version | undefined {
  const known = versions.get(path);
  if (known !== undefined) return known;
  const version = askVersion(path);
  // A busy machine may have kept it from answering: then it is asked again.
  if (version !== undefined) versions.set(path, version);
  return version;
}

/** undefined where it does not tell. */
function askVersion(path: string): Version | undefined {
  const { stdout } = spawnSync(path, ["--version"], { encoding: "utf8", timeout: ANSWER_WAIT });
  const [, major, minor] = /(\d+)\.(\d+)/.exec(stdout ?? "") ?? [];
  return major === undefined ? undefined : { major: Number(major), minor: Number(minor) };
}

export function pathFolders(): readonly string[] {
  return (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
}

/** All of them from the first folder that has them. */
export function programsIn(names: readonly string[], folders: readonly string[]): Located | undefined {
  const folder = folders.find((place) => names.every((name) => isProgram(join(place, name))));
  return folder === undefined ? undefined : Object.fromEntries(names.map((name) => [name, join(folder, name)]));
}

function byVersion(left: string, right: string): number {
  return left.localeCompare(right, "en", { numeric: true });
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
