/** What begins so is JSON of the text, because PostgreSQL's text holds no NUL and no lone surrogate. */
const ESCAPE = "\u0001";

/** Text as it is stored where it may hold anything. Different texts stay different. */
export function storedText(text: string): string {
  return text.startsWith(ESCAPE) || text.includes("\0") || !text.isWellFormed() ? ESCAPE + JSON.stringify(text) : text;
}

export function textOf(stored: string): string {
  return stored.startsWith(ESCAPE) ? (JSON.parse(stored.slice(1)) as string) : stored;
}

/** An SQL identifier. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** An SQL string, whatever `standard_conforming_strings` says of backslashes. */
export function literal(text: string): string {
  const doubled = text.replaceAll("'", "''");
  return doubled.includes("\\") ? `E'${doubled.replaceAll("\\", "\\\\")}'` : `'${doubled}'`;
}
