// The second opinion: written apart from walk.ts and handler.ts, one file after the other and without any queue.
import { createHash } from "node:crypto";
import { closeSync, openSync, readdirSync, readSync, type Dirent } from "node:fs";
import { join } from "node:path";

export type Plain = Readonly<{ sha256: string; bytes: number }>;

/** Not readdir's own recursion: that follows links, and a link to its own folder leads it round for ever. */
export function* plainFiles(folder: string): Generator<string> {
  for (const entry of entriesOf(folder)) {
    const path = join(folder, entry.name);
    if (entry.isFile()) yield path;
    else if (entry.isDirectory()) yield* plainFiles(path);
  }
}

function entriesOf(folder: string): readonly Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return []; // nobody can read it, so nothing in it has a job
  }
}

const buffer = Buffer.allocUnsafe(1024 * 1024);

/** undefined when the file cannot be read. */
export function plainDigest(path: string): Plain | undefined {
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    const file = openSync(path, "r");
    try {
      for (let read = readSync(file, buffer); read > 0; read = readSync(file, buffer)) {
        hash.update(buffer.subarray(0, read));
        bytes += read;
      }
    } finally {
      closeSync(file);
    }
  } catch {
    return undefined;
  }
  return { sha256: hash.digest("hex"), bytes };
}
