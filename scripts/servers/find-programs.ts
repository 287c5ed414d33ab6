import { accessSync, constants, globSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { Located } from "./locate.ts";

/**
 * All programs from one folder, so that their versions agree: the first folder of the PATH that has them, then those of
 * `folders` (patterns), the highest version first.
 */
export function findPrograms(names: readonly string[], folders: readonly string[] = []): Located | undefined {
  const path = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  const others = folders.flatMap((pattern) => globSync(pattern).toSorted(byVersion).toReversed());
  return programsIn(names, [...path, ...others]);
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
