import { coordinatedTarget, STORES } from "./coordinated-targets.ts";
import { runSuite } from "./run-suite.ts";

for (const [kind, start] of Object.entries(STORES)) await runSuite(`jobs in a store ${kind}`, coordinatedTarget(start));
