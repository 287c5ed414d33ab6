export { capabilitiesOf, conformanceSuite, runConformance } from "../testing/conformance/index.ts";
export type {
  CaseOutcome,
  ConformanceCase,
  ConformanceOptions,
  ConformanceSummary,
  ConformanceTarget,
} from "../testing/conformance/index.ts";
