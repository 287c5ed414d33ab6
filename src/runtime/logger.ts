import type { Logger } from "../contract/index.ts";

function write(level: string, fields: object, message: string): void {
  const line = oneLine(`${message} ${render(fields)}`);
  process.stderr.write(`${new Date().toISOString()} ${level} jobferry: ${line}\n`);
}

/** What jobs and servers say begins no line of its own and speaks to no terminal. */
function oneLine(line: string): string {
  return line.replace(/[\p{Cc}\u2028\u2029]+/gu, " ");
}

function render(fields: object): string {
  return Object.entries(fields)
    .map(([key, value]) => `${key}=${text(value)}`)
    .join(" ");
}

/** Logging must not throw: it is called where something went wrong already. */
function text(value: unknown): string {
  try {
    return value instanceof Error ? String(value.message) : (JSON.stringify(value) ?? String(value));
  } catch {
    return "a value that cannot be shown";
  }
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

/**
 * None of its methods throws: a logger is called where something went wrong already, between two steps that belong together, and one whose
 * transport has ended must not leave a worker half-way. What it threw is lost: there is nobody left to tell.
 */
export function guardedLogger(logger: Logger): Logger {
  const guarded =
    (level: keyof Logger) =>
    (fields: object, message: string): void => {
      try {
        const written: unknown = logger[level](fields, message);
        if (written instanceof Promise) written.catch(() => undefined);
      } catch {
        // See above.
      }
    };
  return { debug: guarded("debug"), info: guarded("info"), warn: guarded("warn"), error: guarded("error") };
}
