import { minimalDriver } from "../../examples/minimal-driver.ts";
import { virtualClock } from "../../src/testing/virtual-clock.ts";
import { runSuite } from "./run-suite.ts";

await runSuite("the driver of docs/writing-a-driver.md", {
  clock: virtualClock(),
  stepsWallClock: true,
  open: minimalDriver,
});
