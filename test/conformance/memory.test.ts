import { memoryDriver } from "../../src/drivers/memory/memory-driver.ts";
import { virtualClock } from "../../src/testing/virtual-clock.ts";
import { runSuite } from "./run-suite.ts";

const clock = virtualClock();
await runSuite("memory", { clock, stepsWallClock: true, open: () => memoryDriver() });
