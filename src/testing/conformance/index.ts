export { capabilitiesOf, conformanceSuite, runConformance } from "./suite.ts";
export type { CaseOutcome, ConformanceSummary } from "./runner.ts";
export type { ConformanceOptions } from "./suite.ts";
export type { ConformanceCase, ConformanceTarget } from "./target.ts";
