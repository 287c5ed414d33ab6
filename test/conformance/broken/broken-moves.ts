// DESIGN 4, push, reserve, finish, maintain; guarantees 1, 3, 4 and 8.
import type { Clock, Driver, FinishItem, PushItem, PushResult, ReserveResult } from "../../../src/contract/index.ts";
import { JobferryError } from "../../../src/errors/index.ts";
import {
  answering,
  asking,
  changed,
  declaring,
  fieldsOf,
  finishAnswers,
  finishing,
  ticking,
  pushing,
} from "./breaking.ts";
import type { Broken, Wrapper } from "./breaking.ts";

const pushAnswers =
  (change: (results: readonly PushResult[]) => readonly PushResult[]): Wrapper =>
  (inner) =>
    changed(inner, { push: async (jobs, options) => change(await inner.push(jobs, options)) });

/** Says stored and drops every seventh. */
const dropsSome: Wrapper = (inner) => {
  let pushed = 0;
  return changed(inner, {
    push: async (jobs, options) => {
      await inner.push(
        jobs.filter(() => (pushed += 1) % 7 !== 0),
        options,
      );
      return jobs.map(() => ({ status: "stored" }));
    },
  });
};

/** A push of an id that is kept takes the place of the job. */
const overwrites: Wrapper = (inner) =>
  changed(inner, {
    push: async (jobs, options) => {
      await inner.records?.remove(jobs.map(({ id }) => id));
      return inner.push(jobs, options);
    },
  });

const storesTwins: Wrapper = (inner) => {
  let twins = 0;
  const renamed = (job: PushItem): PushItem => ({ ...job, id: `${job.id} twin ${(twins += 1)}` });
  return changed(inner, {
    push: async (jobs, options) => {
      const results = await inner.push(jobs, options);
      const again = jobs.filter((_job, index) => results[index]?.status === "exists");
      await inner.push(again.map(renamed), options);
      return results.map(() => ({ status: "stored" }));
    },
  });
};

const failsWhole: Wrapper = (inner) =>
  changed(inner, {
    push: async (jobs, options) => {
      const results = await inner.push(jobs, options);
      for (const result of results) if (result.status === "refused") throw result.error;
      return results;
    },
  });

/** A batch whose answer is lost is stored by half. */
const storesHalf: Wrapper = (inner) =>
  changed(inner, {
    push: async (jobs, options) => {
      const half = jobs.length > 1 ? jobs.slice(0, jobs.length / 2) : jobs;
      const results = await inner.push(half, options);
      return results.length === jobs.length ? results : jobs.map(() => results[0] ?? { status: "unknown" });
    },
  });

const rejectsOnAbort: Wrapper = (inner) =>
  changed(inner, {
    reserve: async (request) => {
      const result = await inner.reserve(request);
      request.signal?.throwIfAborted();
      return result;
    },
  });

/** What arrived while the signal fired is forgotten. */
const forgetsOnAbort: Wrapper = (inner) =>
  changed(inner, {
    reserve: async ({ signal, ...request }) => {
      const aborted = Promise.withResolvers<ReserveResult>();
      signal?.addEventListener("abort", () => aborted.resolve({ reservations: [], died: [], nextDueInMs: undefined }), {
        once: true,
      });
      return Promise.race([inner.reserve(request), aborted.promise]);
    },
  });

/** Close settles nobody who waits. */
const leavesWaiting: Wrapper = (inner) => {
  let isClosed = false;
  const forever = new Promise<never>(() => undefined);
  return changed(inner, {
    reserve: async (request) => {
      const result = await inner.reserve(request);
      return isClosed && request.waitMs > 0 ? forever : result;
    },
    close: () => {
      isClosed = true;
      return inner.close();
    },
  });
};

const closesOnce: Wrapper = (inner) => {
  let isClosed = false;
  return changed(inner, {
    close: async () => {
      if (isClosed) throw new Error("closed already");
      isClosed = true;
      await inner.close();
    },
  });
};

const leavesTimer: Wrapper = (inner) =>
  changed(inner, {
    open: (context) => {
      context.clock.timer(3_600_000, () => undefined);
      return inner.open(context);
    },
  });

/** Looks once, waits, and looks again: nobody wakes it. */
const sleepsThrough: Wrapper = (inner) => {
  let after = (_ms: number): Promise<void> => Promise.resolve();
  return changed(inner, {
    open: (context) => {
      after = (ms) => new Promise((resolve) => void context.clock.timer(ms, resolve));
      return inner.open(context);
    },
    reserve: async (request) => {
      const first = await inner.reserve({ ...request, waitMs: 0 });
      if (first.reservations.length > 0 || request.waitMs === 0) return first;
      await after(request.waitMs);
      return inner.reserve({ ...request, waitMs: 0 });
    },
  });
};

const wakesOne: Wrapper = (inner) => {
  let turn: Promise<unknown> = Promise.resolve();
  return changed(inner, {
    reserve: (request) => {
      const own = turn.then(() => inner.reserve(request));
      if (request.waitMs > 0) turn = own.then(() => new Promise(() => undefined));
      return own;
    },
  });
};

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

const unchecked = (inner: Driver): Partial<Driver> => ({
  close: () => Promise.resolve(),
  push: (jobs, options) => inner.push(jobs, options),
});

export const brokenMoves: readonly Broken[] = [
  {
    breaks: "a push that resolved is never lost",
    caughtBy: "push: every stored job can be reserved once",
    wrap: dropsSome,
  },
  {
    breaks: "an answer for every job",
    caughtBy: "push: every stored job can be reserved once",
    wrap: pushAnswers((results) => results.slice(1)),
  },
  {
    breaks: "the answers keep the order",
    caughtBy: "push: one bad job in a batch is refused alone, and the answers keep the order",
    base: "sessions",
    wrap: pushAnswers((results) => results.toSorted((a, b) => a.status.localeCompare(b.status))),
  },
  {
    breaks: "one bad job never fails another",
    caughtBy: "push: one bad job in a batch is refused alone, and the answers keep the order",
    base: "sessions",
    wrap: failsWhole,
  },
  {
    breaks: "pushing an id that is kept changes nothing",
    caughtBy: "push: pushing an id that is kept changes nothing, whatever its state",
    wrap: overwrites,
  },
  {
    breaks: "the same id is stored once",
    caughtBy: "push: the same id twice in one batch is stored once",
    wrap: storesTwins,
  },
  {
    breaks: "the same id from many at once is stored once",
    caughtBy: "push: the same id from many at once is stored once",
    wrap: storesTwins,
  },
  {
    breaks: "a push without an answer is unknown",
    caughtBy: "push: an answer that never came is unknown, and the job is there or not but never twice by id",
    base: "sessions",
    wrap: pushAnswers((results) =>
      results.map((result) => (result.status === "unknown" ? { status: "stored" } : result)),
    ),
  },
  {
    breaks: "a batch up to the atomic size is stored all or none",
    caughtBy: "push: a batch up to the atomic size is stored all or none, when its answer is lost",
    base: "sessions",
    wrap: storesHalf,
  },
  {
    breaks: "a payload over the limit is refused with a typed error",
    caughtBy: "push: a payload of the declared limit is stored, one byte more is refused",
    base: "sessions",
    wrap: pushAnswers((results) =>
      results.map((result) =>
        result.status === "refused" ? { status: "refused", error: new Error("too big") } : result,
      ),
    ),
  },
  {
    breaks: "reserve never gives more than max",
    caughtBy: "reserve: gives at most max, and all of it in the end",
    wrap: asking((request) => ({ ...request, max: request.max * 2 })),
  },
  {
    breaks: "reserve never rejects for an abort",
    caughtBy: "reserve: abort resolves a blocked consumer with nothing",
    wrap: rejectsOnAbort,
  },
  {
    breaks: "what arrives after an abort is handed back",
    caughtBy: "reserve: abort after a claim loses nothing, whichever came first",
    wrap: forgetsOnAbort,
  },
  {
    breaks: "abort ends a wait",
    caughtBy: "reserve: abort resolves a blocked consumer with nothing",
    wrap: asking(({ signal: _signal, ...request }) => request),
  },
  {
    breaks: "close settles whoever waits",
    caughtBy: "life cycle: close while consumers are blocked resolves them",
    wrap: leavesWaiting,
  },
  {
    breaks: "close is idempotent",
    caughtBy: "life cycle: close twice, one after the other and at the same time",
    wrap: closesOnce,
  },
  {
    breaks: "close leaves no timer",
    caughtBy: "life cycle: empty batches are answered and change nothing",
    wrap: leavesTimer,
  },
  {
    breaks: "a closed driver confirms nothing",
    caughtBy: "life cycle: a closed driver confirms no push and gives no job",
    wrap: (inner) => changed(inner, unchecked(inner)),
  },
  {
    breaks: "a wake-up is missed for at most the stated time",
    caughtBy: "reserve: a blocked consumer is woken by a push within the stated time",
    wrap: sleepsThrough,
  },
  {
    breaks: "a released job wakes a consumer",
    caughtBy: "reserve: a released job wakes a blocked consumer",
    wrap: sleepsThrough,
  },
  {
    breaks: "every blocked consumer is woken",
    caughtBy: "reserve: each of several blocked consumers gets a job of its own",
    wrap: wakesOne,
  },
  {
    breaks: "reserve waits as long as it was told",
    caughtBy: "reserve: waits as long as it was told, and no longer",
    wrap: asking((request) => ({ ...request, waitMs: request.waitMs / 2 })),
  },
  {
    breaks: "reserve waits no longer than it was told",
    caughtBy: "reserve: waits as long as it was told, and no longer",
    wrap: asking((request) => ({ ...request, waitMs: request.waitMs * 2 })),
  },
  {
    breaks: "queues are searched in their order",
    caughtBy: "reserve: queues are searched in their order",
    wrap: asking((request) => ({ ...request, queues: request.queues.toReversed() })),
  },
  {
    breaks: "a consumer of several queues hears of all",
    caughtBy: "reserve: a consumer blocked on several queues is woken by the last of them",
    wrap: asking((request) => ({ ...request, queues: request.queues.slice(0, 1) })),
  },
  {
    breaks: "nextDueInMs is not later than what is due",
    caughtBy: "reserve: nextDueInMs is not later than what is due next",
    wrap: answering((result) => ({ ...result, nextDueInMs: (result.nextDueInMs ?? 0) + 60_000 })),
  },
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
