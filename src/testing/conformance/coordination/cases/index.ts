import type { CoordinationCaseGroup } from "../case.ts";
import { compareAndSet } from "./compare-and-set.ts";
import { keys } from "./keys.ts";
import { lifeCycle } from "./life-cycle.ts";
import { limits } from "./limits.ts";
import { sessions } from "./sessions.ts";
import { unknownAnswers } from "./unknown-answers.ts";
import { versions } from "./versions.ts";
import { watches } from "./watches.ts";

export const coordinationGroups: readonly CoordinationCaseGroup[] = [
  lifeCycle,
  keys,
  compareAndSet,
  versions,
  watches,
  sessions,
  unknownAnswers,
  limits,
];
