import { kvTarget } from "./drivers/targets.ts";
import { runSuite } from "./run-suite.ts";

await runSuite("an ordered key-value store", kvTarget());
