import type { Clock, Logger } from "../contract/index.ts";
import { invalidArgument } from "../errors/index.ts";
import { guardedLogger, stderrLogger } from "./logger.ts";
import { systemClock } from "./system-clock.ts";

/** The machine's where none was handed in. @throws INVALID_ARGUMENT where a method is missing. */
export function checkClock(clock: Clock | undefined): Clock {
  return checkMethods("clock", clock ?? systemClock, ["now", "monotonic", "timer", "random"]);
}

/** Guarded; that of stderr where none was handed in. @throws INVALID_ARGUMENT where a method is missing. */
export function checkLogger(logger: Logger | undefined): Logger {
  return guardedLogger(checkMethods("logger", logger ?? stderrLogger, ["debug", "info", "warn", "error"]));
}

/** Something handed in that is used much later: what is missing shows now. */
function checkMethods<T extends object>(field: string, value: T, methods: readonly (keyof T & string)[]): T {
  const holder = (typeof value === "object" && value !== null) || typeof value === "function";
  const valid = holder && methods.every((name) => typeof value[name] === "function");
  if (!valid) throw invalidArgument(field, value, `an object with the methods ${methods.join(", ")}`);
  return value;
}
