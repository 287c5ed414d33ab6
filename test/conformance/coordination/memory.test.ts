import { runCoordination } from "./run-coordination.ts";
import { memoryTarget } from "./targets.ts";

await runCoordination("coordination in memory", memoryTarget());
