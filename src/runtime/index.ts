export { Deferred } from "./deferred.ts";
export { MAX_DURATION_MS, parseDuration } from "./duration.ts";
export type { Duration, DurationLimits } from "./duration.ts";
export { silentLogger, stderrLogger } from "./logger.ts";
export { checkName, MAX_NAME_LENGTH } from "./names.ts";
export { nearest } from "./nearest.ts";
export { checkInteger, checkOptions } from "./options.ts";
export { settledWithin, sleep } from "./sleep.ts";
export { systemClock } from "./system-clock.ts";
