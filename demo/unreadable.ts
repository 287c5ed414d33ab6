import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { FoundFile } from "./walk.ts";

/** Entries that nobody can read as a file, not even the superuser: three that vanish after the push, a link to nowhere, a folder. */
export async function makeUnreadable(
  scratch: string,
): Promise<Readonly<{ files: readonly FoundFile[]; vanish: () => Promise<void> }>> {
  const folder = join(scratch, "unreadable");
  await mkdir(folder);
  const vanishing = [1, 2, 3].map((number) => join(folder, `vanishes-${number}.txt`));
  for (const path of vanishing) await writeFile(path, "soon gone");
  const link = join(folder, "broken-link");
  await symlink(join(folder, "nowhere"), link);
  const directory = join(folder, "folder.txt");
  await mkdir(directory);
  return {
    files: [...vanishing, link, directory].map((path) => ({ path, size: 0, mtimeMs: 0 })),
    vanish: async () => {
      for (const path of vanishing) await rm(path);
    },
  };
}
