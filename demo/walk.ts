import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

export type FoundFile = Readonly<{ path: string; size: number; mtimeMs: number }>;

/** Regular files below `root`, folder by folder. Links are not followed; `others` counts them and sockets, pipes and folders that cannot be read. */
export async function walkFiles(root: string): Promise<Readonly<{ files: readonly FoundFile[]; others: number }>> {
  const files: FoundFile[] = [];
  let others = 0;
  const folders = [root];
  for (let folder = folders.shift(); folder !== undefined; folder = folders.shift()) {
    for (const entry of await entriesOf(folder, folder === root)) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isFile()) files.push(await describeFile(path));
      else others += 1;
    }
  }
  return { files, others };
}

async function entriesOf(folder: string, isRoot: boolean) {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    if (isRoot) throw error;
    return [];
  }
}

/** A file that vanished since its folder was read stays in the list: its job fails, as the check expects. */
async function describeFile(path: string): Promise<FoundFile> {
  try {
    const { size, mtimeMs } = await lstat(path);
    return { path, size, mtimeMs };
  } catch {
    return { path, size: 0, mtimeMs: 0 };
  }
}
