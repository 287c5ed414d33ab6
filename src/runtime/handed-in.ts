import type { Clock, Logger } from "../contract/index.ts";
import { invalidArgument } from "../errors/index.ts";
import { guardedLogger, stderrLogger } from "./logger.ts";
import { systemClock } from "./system-clock.ts";

/** The machine's where none was handed in. @throws INVALID_ARGUMENT where a method is missing. */
export function checkClock(clock: Clock | undefined): Clock {
  return checkMethods("clock", clock === undefined ? systemClock : clock, ["now", "monotonic", "timer", "random"]);
}

/** Guarded; that of stderr where none was handed in. @throws INVALID_ARGUMENT where a method is missing. */
export function checkLogger(logger: Logger | undefined): Logger {
  return guardedLogger(
    checkMethods("logger", logger === undefined ? stderrLogger : logger, ["debug", "info", "warn", "error"]),
  );
}

/** Something handed in that is used much later: what is missing shows now. */
function checkMethods<T extends object>(field: string, value: T, methods: readonly (keyof T & string)[]): T {
  const holder = (typeof value === "object" && value !== null) || typeof value === "function";
  const wanted = `an object with the methods ${methods.join(", ")}`;
  if (!holder) throw invalidArgument(field, value, wanted);
  const missing = methods.filter((name) => !hasMethod(value, name));
  if (missing.length > 0) throw invalidArgument(field, value, `${wanted}; missing: ${missing.join(", ")}`);
  return value;
}

/** A getter that throws gives none. */
function hasMethod<T extends object>(value: T, name: keyof T): boolean {
  try {
    return typeof value[name] === "function";
  } catch {
    return false;
  }
}
