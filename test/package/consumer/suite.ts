// The driver of docs/writing-a-driver.md through the suite, both as a driver's author has them.
import { runConformance } from "jobferry/conformance";
import { virtualClock } from "jobferry/testing";
import { minimalDriver } from "../../../examples/minimal-driver.ts";

const summary = await runConformance({ clock: virtualClock(), stepsWallClock: true, open: minimalDriver });
console.log(JSON.stringify({ passed: summary.passed, failed: summary.failed, skipped: summary.skipped }));
