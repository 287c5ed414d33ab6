export { capabilitiesOf, conformanceSuite, runConformance } from "./suite.ts";
export type { CaseOutcome, ConformanceOptions, ConformanceSummary } from "./suite.ts";
export type { ConformanceCase, ConformanceTarget } from "./target.ts";
