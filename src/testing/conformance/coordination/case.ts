import type { CoordinationCapabilities } from "../../../contract/index.ts";
import type { CoordinationStage } from "./stage.ts";
import type { CoordinationTarget } from "./target.ts";

/** The reason why a case does not apply; undefined when it does. Only capabilities and what the target can do decide. */
export type CoordinationRequirement = (
  capabilities: CoordinationCapabilities,
  target: CoordinationTarget,
) => string | undefined;

export type CoordinationCaseSpec = Readonly<{
  name: string;
  requires?: CoordinationRequirement;
  run(stage: CoordinationStage): Promise<void>;
}>;

export type CoordinationCaseGroup = Readonly<{ group: string; cases: readonly CoordinationCaseSpec[] }>;

export const partitions: CoordinationRequirement = (_capabilities, target) =>
  target.partition === undefined ? "the target cannot cut a client off" : undefined;

export const crashes: CoordinationRequirement = (_capabilities, target) =>
  target.crash === undefined ? "the target cannot kill a client" : undefined;

export const lostAnswers: CoordinationRequirement = (_capabilities, target) =>
  target.loseAnswer === undefined ? "the target cannot lose an answer" : undefined;
