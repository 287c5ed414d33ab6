export { coordinationSuite, runCoordinationConformance } from "./suite.ts";
export type { CoordinationOptions } from "./suite.ts";
export type { CoordinationCase, CoordinationTarget } from "./target.ts";
