import type { FoundFile } from "./walk.ts";

type Bounds = Readonly<{ maxFiles: number; maxMegabytes: number }>;

/** The first files that fit into the bounds. What is left out is told, so that nothing is skipped in silence. */
export function chooseFiles(
  files: readonly FoundFile[],
  { maxFiles, maxMegabytes }: Bounds,
): Readonly<{ chosen: readonly FoundFile[]; leftOut: number }> {
  const maxBytes = maxMegabytes * 1_000_000;
  const chosen: FoundFile[] = [];
  let bytes = 0;
  for (const file of files) {
    if (chosen.length === maxFiles) break;
    if (bytes + file.size > maxBytes) continue;
    bytes += file.size;
    chosen.push(file);
  }
  return { chosen, leftOut: files.length - chosen.length };
}
