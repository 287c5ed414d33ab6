import { brokerTarget } from "./drivers/targets.ts";
import { runSuite } from "./run-suite.ts";

await runSuite("a message broker", brokerTarget());
