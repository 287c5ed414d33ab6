// The contract carries backends of other kinds: each is green in the suite, and its column of capabilities is its own.
import { expect, test } from "vitest";
import type { Capabilities } from "../../src/contract/index.ts";
import { memoryDriver } from "../../src/drivers/memory/memory-driver.ts";
import { capabilitiesOf, runConformance } from "../../src/testing/conformance/index.ts";
import type { CaseOutcome } from "../../src/testing/conformance/index.ts";
import { virtualClock } from "../../src/testing/virtual-clock.ts";
import { brokerTarget, kvTarget, logTarget } from "./drivers/targets.ts";

const memory = await capabilitiesOf({ clock: virtualClock(), open: () => memoryDriver() });
const broker = await capabilitiesOf(brokerTarget());
const log = await capabilitiesOf(logTarget());
const kv = await capabilitiesOf(kvTarget());

const column = (capability: (capabilities: Capabilities) => unknown): readonly unknown[] =>
  [memory, kv, broker, log].map(capability);

test("the columns of a store, a key-value store, a broker and a log differ where the kinds do", () => {
  expect(column((c) => c.shared)).toEqual([false, true, true, true]);
  expect(column((c) => c.pushById)).toEqual([true, true, false, false]);
  expect(column((c) => c.attempts)).toEqual(["exact", "exact", "approximate", "approximate"]);
  expect(column((c) => c.finish)).toEqual(["confirmed", "confirmed", "sent", "sent"]);
  expect(column((c) => c.release)).toEqual(["native", "native", "byCopy", "byCopy"]);
  expect(column((c) => c.lease.ends)).toEqual(["deadline", "connection", "connection", "connection"]);
  expect(column((c) => c.lease.extend)).toEqual(["native", "emulated", "unsupported", "unsupported"]);
  expect(column((c) => c.priority.support)).toEqual(["native", "native", "native", "unsupported"]);
  expect(column((c) => c.delay.support)).toEqual(["native", "native", "native", "unsupported"]);
  expect(column((c) => c.clear.support)).toEqual(["native", "native", "native", "unsupported"]);
  expect(column((c) => c.pause.support)).toEqual(["native", "native", "unsupported", "unsupported"]);
  expect(column((c) => c.wakeup.kind)).toEqual(["notify", "notify", "notify", "poll"]);
  expect(column((c) => c.stats.pending)).toEqual(["exact", "exact", "approximate", "approximate"]);
  expect(column((c) => c.records)).toEqual([true, false, false, false]);
});

test("the suite runs without a test runner, and reports every case once", async () => {
  const reported: CaseOutcome[] = [];
  const summary = await runConformance(brokerTarget(), { report: (outcome) => reported.push(outcome) });
  expect(reported).toEqual(summary.outcomes);
  expect(summary.failed, JSON.stringify(reported.filter(({ status }) => status === "failed"))).toBe(0);
  expect(summary.passed).toBeGreaterThan(100);
  expect(summary.passed + summary.skipped).toBe(reported.length);
  const names = reported.map(({ group, name }) => `${group}: ${name}`);
  expect(new Set(names).size).toBe(names.length);
});
