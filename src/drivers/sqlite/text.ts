import type { SqliteValue } from "./database.ts";

/**
 * Text as it is stored where it may hold anything. Node 22 cuts TEXT at a NUL when it reads it, and a lone surrogate becomes U+FFFD, so such
 * text is stored as a BLOB of its UTF-16 code units. A TEXT never equals a BLOB, so lookups by equality stay exact.
 */
export function storedText(text: string): string | Uint8Array {
  return text.includes("\0") || !text.isWellFormed() ? Buffer.from(text, "utf16le") : text;
}

export function textOf(stored: SqliteValue): string {
  if (typeof stored === "string") return stored;
  return stored instanceof Uint8Array
    ? Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength).toString("utf16le")
    : "";
}
