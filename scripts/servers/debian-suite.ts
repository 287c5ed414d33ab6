import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import { isDebianRoot } from "./debian-packages.ts";
import { guardian } from "./guarded.ts";
import type { Installer, Located } from "./locate.ts";
import { runProgram } from "./run-program.ts";

const KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg";
const SOURCES = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"];
/** What packages take for granted and do not name. */
const ESSENTIAL = ["dash", "coreutils", "sed", "grep", "findutils", "util-linux"];
const MERGED = ["bin", "sbin", "lib", "lib64"];

/** The folder in a kind's cache that `debianSuite` fills. */
export function suiteRoot(cache: string): string {
  return join(cache, "root");
}

/**
 * Packages of another Debian suite, unpacked into a folder for `placeOf`: an apt of its own, no maintainer scripts, nothing of
 * the machine changes. The same mirror as the machine's.
 */
export function debianSuite(suite: string, ...packages: readonly string[]): Installer {
  return {
    isPossible: () => isDebianRoot() && existsSync(KEYS) && mirror() !== undefined,
    install: async (cache) => {
      const state = join(cache, "apt");
      const draft = join(cache, "draft");
      rmSync(draft, { recursive: true, force: true });
      await download(suite, [...ESSENTIAL, ...packages], state);
      await unpack(join(state, "archives"), draft);
      rmSync(state, { recursive: true });
      renameSync(draft, suiteRoot(cache));
    },
  };
}

/** Where programs run: on this machine, or inside a folder that `debianSuite` has filled. */
export type Place = Readonly<{
  /** The path under which a program sees one of our servers' files. */
  inside: (path: string) => string;
  /** What to start, by the program's path on this machine. */
  command: (path: string, ...args: readonly string[]) => { command: string; args: readonly string[] };
}>;

/** `root`: the folder, if the programs were found in one. */
export async function placeOf({ root = "/" }: Located): Promise<Place> {
  if (root === "/") return { inside: (path) => path, command: (command, ...args) => ({ command, args }) };
  const { root: shared } = await guardian();
  return {
    inside: (path) => join("/mnt", relative(shared, path)),
    command: (path, ...args) => inSuite(root, shared, [join("/", relative(root, path)), ...args]),
  };
}

/**
 * A command inside such a folder. Its mounts are in a namespace of its own and go with it. `/mnt` inside is `shared` outside.
 * The process keeps its id through all the steps.
 */
function inSuite(root: string, shared: string, command: readonly string[]): { command: string; args: string[] } {
  const mounts = [`--rbind /proc "$0/proc"`, `--rbind /dev "$0/dev"`, `--bind "$1" "$0/mnt"`];
  const script = `${mounts.map((mount) => `mount ${mount}`).join(" && ")} && root=$0 && shift && exec chroot "$root" "$@"`;
  return { command: "unshare", args: ["--mount", "sh", "-c", script, root, shared, ...command] };
}

function mirror(): string | undefined {
  const lines = SOURCES.flatMap((file) => (existsSync(file) ? readFileSync(file, "utf8").split("\n") : []));
  const entry = /^(?:URIs:|deb(?: \[[^\]]*\])?)\s+(\S+)/;
  return lines.map((line) => entry.exec(line)?.[1]).find((uri) => uri !== undefined);
}

async function download(suite: string, packages: readonly string[], state: string): Promise<void> {
  for (const folder of ["lists/partial", "archives/partial"]) mkdirSync(join(state, folder), { recursive: true });
  writeFileSync(join(state, "status"), "");
  writeFileSync(join(state, "sources.list"), `deb [signed-by=${KEYS}] ${mirror() ?? ""} ${suite} main\n`);
  const settings = {
    "Dir::State": state,
    "Dir::State::lists": join(state, "lists"),
    "Dir::State::status": join(state, "status"),
    "Dir::Cache": state,
    "Dir::Cache::archives": join(state, "archives"),
    "Dir::Etc::sourcelist": join(state, "sources.list"),
    "Dir::Etc::sourceparts": "/dev/null",
    "Dir::Etc::preferencesparts": "/dev/null",
    "APT::Sandbox::User": "root",
    "APT::Install-Recommends": "false",
    "APT::Keep-Downloaded-Packages": "true",
    "Acquire::Languages": "none",
    "Debug::NoLocking": "true",
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  await runProgram("apt-get", ["-q", ...options, "update"]);
  await runProgram("apt-get", ["-q", ...options, "-y", "--download-only", "install", ...packages]);
}

async function unpack(archives: string, root: string): Promise<void> {
  for (const folder of ["proc", "dev", "tmp", "mnt", "etc", "root"]) mkdirSync(join(root, folder), { recursive: true });
  for (const folder of MERGED) {
    mkdirSync(join(root, "usr", folder), { recursive: true });
    symlinkSync(`usr/${folder}`, join(root, folder));
  }
  for (const file of readdirSync(archives).filter((name) => name.endsWith(".deb"))) {
    const script = `dpkg-deb --fsys-tarfile "$0" | tar -x --keep-directory-symlink -C "$1"`;
    await runProgram("sh", ["-c", script, join(archives, file), root]);
  }
  if (!existsSync(join(root, "bin", "sh"))) symlinkSync("dash", join(root, "usr", "bin", "sh"));
  writeFileSync(join(root, "etc", "hosts"), "127.0.0.1 localhost\n");
  writeFileSync(join(root, "etc", "passwd"), "root:x:0:0:root:/root:/bin/sh\n");
  await runProgram("ldconfig", ["-r", root]);
}
