// In real time on a machine that is busy: each call takes long, and the store is right all the same. What comes early is told even there.
import { AssertionError } from "node:assert";
import { expect, test } from "vitest";
import type { Driver } from "../../src/contract/index.ts";
import { memoryDriver } from "../../src/drivers/memory/memory-driver.ts";
import { systemClock, sleep } from "../../src/runtime/index.ts";
import { conformanceSuite } from "../../src/testing/conformance/index.ts";
import { changed } from "./broken/breaking.ts";

/** A store whose answers take so long. */
function busy(answerMs: number): Driver {
  const inner = memoryDriver();
  const late = async <T>(answer: Promise<T>): Promise<T> => {
    const result = await answer;
    await sleep(systemClock, answerMs);
    return result;
  };
  return changed(inner, {
    reserve: (request) => late(inner.reserve(request)),
    maintain: (options) => late(inner.maintain(options)),
  });
}

/** A store that gives every job at once. It declares a precision that makes the suite take delays of 8 s: far more than a look takes on any machine. */
function early(): Driver {
  const inner = memoryDriver();
  return changed(inner, {
    open: async (context) => {
      const capabilities = await inner.open(context);
      return { ...capabilities, delay: { ...capabilities.delay, precisionMs: 4_000 } };
    },
    push: (jobs) => inner.push(jobs.map((job) => ({ ...job, delayMs: 0, runAt: undefined }))),
    finish: (items) => inner.finish(items.map((item) => (item.outcome === "release" ? { ...item, delayMs: 0 } : item))),
  });
}

const names = [
  "delays: a delayed job comes at its time: never earlier, and late at most by the precision",
  "delays: runAt takes the place of the delay",
  "finish: a released job is delayed by the store",
];

async function run(name: string, open: () => Driver): Promise<unknown> {
  const found = conformanceSuite({ open }).find((one) => `${one.group}: ${one.name}` === name);
  if (found === undefined) throw new Error(`the suite has no case "${name}"`);
  return found.run().then(
    () => "passed",
    (error: unknown) => error,
  );
}

test.concurrent.each(names)("a store that is right passes, however slow its answers: %s", async (name) => {
  expect(await run(name, () => busy(180))).toBe("passed");
});

test.concurrent.each(names)("a job that comes before its time is told: %s", async (name) => {
  const error = await run(name, early);
  expect(error).toBeInstanceOf(AssertionError);
  expect((error as Error).message).toMatch(/came \d+\.\d ms before its time/);
});
