// DESIGN 4, reserve and close; guarantee 8.
import type { Driver, ReserveResult } from "../../../src/contract/index.ts";
import { answering, asking, changed } from "./breaking.ts";
import type { Broken, Wrapper } from "./breaking.ts";

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

const unchecked = (inner: Driver): Partial<Driver> => ({
  close: () => Promise.resolve(),
  push: (jobs, options) => inner.push(jobs, options),
});

export const brokenReserves: readonly Broken[] = [
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
];
