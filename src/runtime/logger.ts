import type { Logger } from "../contract/index.ts";

function write(level: string, fields: object, message: string): void {
  process.stderr.write(`${new Date().toISOString()} ${level} jobferry: ${message} ${render(fields)}\n`);
}

function render(fields: object): string {
  const parts = Object.entries(fields).map(
    ([key, value]) => `${key}=${value instanceof Error ? value.message : JSON.stringify(value)}`,
  );
  return parts.join(" ");
}

/** Warnings and errors to stderr, the rest nowhere. */
export const stderrLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (fields, message) => write("WARN", fields, message),
  error: (fields, message) => write("ERROR", fields, message),
};

export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
