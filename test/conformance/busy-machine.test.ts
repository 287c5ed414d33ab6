// In real time on a machine that is busy: each call takes long, or one stalls, and the store is right all the same. What comes early, late each time or
// not at all is told even there.
import { AssertionError } from "node:assert";
import { expect, test } from "vitest";
import type { Driver } from "../../src/contract/index.ts";
import { memoryDriver } from "../../src/drivers/memory/memory-driver.ts";
import { systemClock, sleep } from "../../src/runtime/index.ts";
import { conformanceSuite } from "../../src/testing/conformance/index.ts";
import { asking, changed } from "./broken/breaking.ts";

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

/** A store of which one answer to a reserve takes so long, as while a process stalls. */
function stalls(at: number, answerMs: number): Driver {
  const inner = memoryDriver();
  let calls = 0;
  return changed(inner, {
    reserve: async (request) => {
      calls += 1;
      const isLate = calls === at;
      const result = await inner.reserve(request);
      if (isLate) await sleep(systemClock, answerMs);
      return result;
    },
  });
}

/** A store that only looks now and then, though it says that a push wakes whoever waits. */
function polls(everyMs: number): Driver {
  const inner = memoryDriver();
  return changed(inner, {
    reserve: async (request) => {
      const end = systemClock.monotonic() + request.waitMs;
      for (;;) {
        const result = await inner.reserve({ ...request, waitMs: 0 });
        const left = end - systemClock.monotonic();
        if (result.reservations.length > 0 || left <= 0) return result;
        await sleep(systemClock, Math.min(everyMs, left));
      }
    },
  });
}

/** A store that gives nothing until so long after the last push. */
function delivers(lateMs: number): Driver {
  const inner = memoryDriver();
  let from = 0;
  return changed(inner, {
    push: (jobs) => {
      from = systemClock.monotonic() + lateMs;
      return inner.push(jobs);
    },
    reserve: async (request) => {
      const left = from - systemClock.monotonic();
      if (left <= 0) return inner.reserve(request);
      await sleep(systemClock, Math.min(request.waitMs, left));
      return { reservations: [], died: [], nextDueInMs: undefined };
    },
  });
}

function losesFirst(): Driver {
  const inner = memoryDriver();
  return changed(inner, {
    push: async (jobs) => {
      await inner.push(jobs.filter(({ id }) => id !== "job-1"));
      return jobs.map(() => ({ status: "stored" }) as const);
    },
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

const ANSWERS = "reserve: answers at once without waitMs";
const WAITS = "reserve: waits as long as it was told, and no longer";
const WAKES = "reserve: a blocked consumer is woken by a push within the stated time";

const slow: readonly (readonly [name: string, open: () => Driver])[] = [
  [ANSWERS, () => busy(900)],
  [WAITS, () => asking((request) => ({ ...request, waitMs: request.waitMs * 5 }))(memoryDriver())],
  [WAKES, () => polls(2_000)],
];

test.concurrent.each(slow)("what is late each time is told, with every try: %s", async (name, open) => {
  const error = await run(name, open);
  expect(error).toBeInstanceOf(AssertionError);
  expect((error as Error).message.split("; ")).toHaveLength(5);
});

// The first call is not measured.
test.concurrent.each([ANSWERS, WAITS, WAKES])("a store that was late once passes: %s", async (name) => {
  expect(await run(name, () => stalls(2, 1_500))).toBe("passed");
});

const ALL_COME = "push: pushes at the same time are all stored";

test.concurrent("jobs that must come may come later than four looks take", async () => {
  expect(await run(ALL_COME, () => delivers(2_500))).toBe("passed");
});

test.concurrent("a job that must come and does not is told", async () => {
  expect(await run(ALL_COME, losesFirst)).toBeInstanceOf(AssertionError);
});
