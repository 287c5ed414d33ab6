import type { Retention } from "../../contract/index.ts";
import type { Requirement } from "./requirements.ts";
import type { Stage } from "./stage.ts";

/** A case before it meets a target. */
export type CaseSpec = Readonly<{
  name: string;
  requires?: Requirement;
  retention?: Readonly<{ completed?: Retention; failed?: Retention }>;
  run(stage: Stage): Promise<void>;
}>;

export type CaseGroup = Readonly<{ group: string; cases: readonly CaseSpec[] }>;
