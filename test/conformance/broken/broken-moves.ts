// DESIGN 3 and 4: order, delays, finish and maintain; guarantees 3 and 4.
import type { Clock, FinishItem } from "../../../src/contract/index.ts";
import { JobferryError } from "../../../src/errors/index.ts";
import { answering, changed, declaring, fieldsOf, finishAnswers, finishing, pushing, ticking } from "./breaking.ts";
import type { Broken, Wrapper } from "./breaking.ts";

/** A release is a new push with a higher priority: it stands in front. */
const releasesToFront: Wrapper = (inner) =>
  changed(inner, {
    finish: async (items) => {
      const results = await inner.finish(
        items.map((item): FinishItem =>
          item.outcome === "release" ? { reservation: item.reservation, outcome: "done" } : item,
        ),
      );
      for (const item of items) {
        if (item.outcome !== "release") continue;
        const { job } = item.reservation;
        await inner.push([
          {
            ...fieldsOf(job),
            sequence: undefined,
            priority: job.priority + 1,
            delayMs: 0,
            runAt: undefined,
            maxLosses: 3,
          },
        ]);
      }
      return results;
    },
  });

const shifted = (change: (ms: number) => number): Wrapper =>
  pushing((job) => ({ ...job, delayMs: change(job.delayMs) }));

const throwsWhenLost: Wrapper = (inner) =>
  changed(inner, {
    finish: async (items) => {
      const results = await inner.finish(items);
      if (results.includes("lost")) throw new JobferryError("LEASE_LOST", "one of them was lost");
      return results;
    },
  });

export const brokenMoves: readonly Broken[] = [
  {
    breaks: "higher priority first",
    caughtBy: "order: higher priority first",
    wrap: pushing((job) => ({ ...job, priority: -job.priority })),
  },
  {
    breaks: "higher priority first inside a batch",
    caughtBy: "order: inside one batch of reservations, too",
    wrap: answering((result) => ({ ...result, reservations: result.reservations.toReversed() })),
  },
  {
    breaks: "first deliveries of one producer keep their order, in single pushes",
    caughtBy: "order: first deliveries of one producer keep their order: single pushes",
    wrap: pushing((job) => ({ ...job, priority: Number(job.id.slice(4)) })),
  },
  {
    breaks: "first deliveries of one producer keep their order, in batches",
    caughtBy: "order: first deliveries of one producer keep their order: batches",
    wrap: (inner) => changed(inner, { push: (jobs, options) => inner.push(jobs.toReversed(), options) }),
  },
  {
    breaks: "a released job stands behind those that are ready",
    caughtBy: "order: a released job stands behind those that are ready",
    wrap: releasesToFront,
  },
  {
    breaks: "never before its time",
    caughtBy: "delays: a delayed job comes at its time: never earlier, and late at most by the precision",
    wrap: shifted((ms) => ms / 2),
  },
  {
    breaks: "late at most by the precision",
    caughtBy: "delays: a delayed job comes at its time: never earlier, and late at most by the precision",
    wrap: shifted((ms) => ms * 2),
  },
  {
    breaks: "a runAt that is over is now",
    caughtBy: "delays: a runAt that is over is now, whatever the delay",
    wrap: pushing((job) => ({ ...job, runAt: job.runAt === undefined ? undefined : job.runAt + job.delayMs })),
  },
  {
    breaks: "after a step back of the wall clock a delay is never early",
    caughtBy: "delays: after a step back of the wall clock a delay may be late, never early",
    // Counts every step as time that passed.
    wrap: (inner) => {
      let start: number | undefined;
      const wallMoved = (clock: Clock): number => Math.abs(clock.now() - (start ??= clock.now()));
      return ticking((clock) => ({ monotonic: () => wallMoved(clock) }))(inner);
    },
  },
  {
    breaks: "a release is delayed by the store",
    caughtBy: "finish: a released job is delayed by the store",
    wrap: finishing((item) => (item.outcome === "release" ? { ...item, delayMs: 0 } : item)),
  },
  {
    breaks: "maintain moves at most max",
    caughtBy: "delays: maintain moves at most max at once, and everything in the end",
    wrap: (inner) => changed(inner, { maintain: (options) => inner.maintain({ ...options, max: options.max * 10 }) }),
  },
  {
    breaks: "maintain promotes what is due",
    caughtBy: "delays: a blocked consumer gets a delayed job that becomes due, with maintain when that is needed",
    wrap: pushing((job) => ({ ...job, delayMs: job.delayMs > 0 ? job.delayMs + 600_000 : 0 })),
  },
  {
    breaks: "done is done",
    caughtBy: "finish: a job that is done never comes again",
    wrap: finishing((item) =>
      item.outcome === "done" ? { reservation: item.reservation, outcome: "release", delayMs: 0 } : item,
    ),
  },
  {
    breaks: "a failed job does not come again",
    caughtBy: "finish: a job that failed does not come again",
    wrap: finishing((item) =>
      item.outcome === "fail" ? { reservation: item.reservation, outcome: "release", delayMs: 0 } : item,
    ),
  },
  {
    breaks: "a release keeps the reason",
    caughtBy: "finish: a released job keeps the reason and counts what threw",
    wrap: finishing((item) => (item.outcome === "release" ? { ...item, failure: undefined } : item)),
  },
  {
    breaks: "exceptions are counted",
    caughtBy: "finish: a released job keeps the reason and counts what threw",
    wrap: finishing((item) => (item.outcome === "release" ? { ...item, threw: false } : item)),
  },
  {
    breaks: "only what threw is an exception",
    caughtBy: "finish: the newest reason wins, and a release that did not throw is no exception",
    wrap: finishing((item) => (item.outcome === "release" ? { ...item, threw: true } : item)),
  },
  {
    breaks: "double finish: the second is lost",
    caughtBy: "finish: double finish: only the first counts, whatever its outcome",
    wrap: finishAnswers((results) => results.map(() => "ok")),
  },
  {
    breaks: "double finish in one batch: the second is lost",
    caughtBy: "finish: double finish in one batch: the first is ok, the second lost",
    wrap: finishAnswers((results) => results.toReversed()),
  },
  {
    breaks: "a batch of finishes never half-throws",
    caughtBy: "finish: a batch of all outcomes, one of them stale, answers in order and does each",
    wrap: throwsWhenLost,
  },
  {
    breaks: "a finish without an answer is unknown",
    caughtBy: "finish: a finish whose answer never came is unknown, and repeating it is safe",
    base: "sessions",
    wrap: finishAnswers((results) => results.map((result) => (result === "unknown" ? "ok" : result))),
  },
  {
    breaks: "classify answers for whatever was thrown",
    caughtBy: "life cycle: classify answers for whatever was thrown",
    base: "sessions",
    wrap: (inner) =>
      changed(inner, {
        classify: (error) => ({ code: "UNEXPECTED", retryable: false, message: (error as Error).message }),
      }),
  },
  {
    breaks: "open tells every capability",
    caughtBy: "life cycle: open tells every capability, in range and without contradiction",
    wrap: declaring(({ lease }) => ({ lease: { ...lease, ends: "never" as "deadline" } })),
  },
];
