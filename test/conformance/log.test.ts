import { logTarget } from "./drivers/targets.ts";
import { runSuite } from "./run-suite.ts";

await runSuite("a log", logTarget());
