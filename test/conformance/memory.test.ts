import { memoryDriver } from "../../src/drivers/memory/memory-driver.ts";
import { virtualClock } from "../../src/testing/virtual-clock.ts";
import { runSuite } from "./run-suite.ts";

for (const copy of [true, false]) {
  await runSuite(`memory, copy: ${copy}`, {
    clock: virtualClock(),
    stepsWallClock: true,
    open: () => memoryDriver({ copy }),
  });
}
