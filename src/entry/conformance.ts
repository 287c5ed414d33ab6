export { capabilitiesOf, conformanceSuite, runConformance } from "../testing/conformance/index.ts";
export type {
  CaseOutcome,
  ConformanceCase,
  ConformanceOptions,
  ConformanceSummary,
  ConformanceTarget,
} from "../testing/conformance/index.ts";
export { coordinationSuite, runCoordinationConformance } from "../testing/conformance/coordination/index.ts";
export type {
  CoordinationCase,
  CoordinationOptions,
  CoordinationTarget,
} from "../testing/conformance/coordination/index.ts";
