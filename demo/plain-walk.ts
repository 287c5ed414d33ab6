// The second opinion: written apart from walk.ts and handler.ts, one file after the other and without any queue.
import { createHash } from "node:crypto";
import { closeSync, openSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";

export type Plain = Readonly<{ sha256: string; bytes: number }>;

export function plainFiles(root: string): readonly string[] {
  return readdirSync(root, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
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
