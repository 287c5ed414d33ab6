import type { DriverContext } from "../../src/contract/index.ts";
import { silentLogger, systemClock } from "../../src/runtime/index.ts";

const NONE = { count: 0, ageMs: Infinity };
/** Of a driver without a queue around it. */
export const CONTEXT: DriverContext = {
  clock: systemClock,
  logger: silentLogger,
  retention: { completed: NONE, failed: NONE },
};
