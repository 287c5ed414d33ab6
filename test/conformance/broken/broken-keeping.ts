// DESIGN 4, clear, pause, stats, records; guarantee 5.
import type { Reservation, StoredStats } from "../../../src/contract/index.ts";
import { changed, fieldsOf, finishing, opening, recording } from "./breaking.ts";
import type { Broken, Wrapper } from "./breaking.ts";

const counting =
  (change: (stats: StoredStats, queue: string | undefined) => Partial<StoredStats>): Wrapper =>
  (inner) =>
    changed(inner, {
      stats: async (queue) => {
        const stats = await inner.stats(queue);
        return { ...stats, ...change(stats, queue) };
      },
    });

/** Keeps to the retention, but whoever maintains does not hear that there may be more. */
const prunesSilently: Wrapper = (inner) =>
  changed(inner, {
    open: (context) => inner.open({ ...context, retention: { completed: FOREVER, failed: FOREVER } }),
    maintain: async (options) => {
      const listed = await inner.records?.list({ state: "completed" }, { limit: options.max });
      await inner.records?.remove(listed?.jobs.map(({ id }) => id) ?? []);
      return inner.maintain(options);
    },
  });

/** Counts, waits for its turn, and removes as many as it counted: what others have pruned meanwhile is pruned once more. */
const prunesByAnOldCount: Wrapper = (inner) => {
  let keep = Infinity;
  let turn: Promise<unknown> = Promise.resolve();
  const all = async (): Promise<readonly string[]> =>
    ((await inner.records?.list({ state: "completed" }, { limit: 100 }))?.jobs ?? []).map(({ id }) => id);
  return changed(inner, {
    open: (context) => {
      keep = context.retention.completed.count;
      return inner.open({ ...context, retention: { completed: FOREVER, failed: FOREVER } });
    },
    maintain: async (options) => {
      const tooMany = Math.min(options.max, Math.max(0, (await all()).length - keep));
      const pruning = turn.then(async () => {
        const old = (await all()).slice(0, tooMany);
        await inner.records?.remove(old);
        return old.length;
      });
      turn = pruning;
      return { ...(await inner.maintain(options)), pruned: await pruning };
    },
  });
};

/** Takes held jobs away, too. */
const clearsHeld: Wrapper = (inner) => {
  const held: Reservation[] = [];
  return changed(inner, {
    reserve: async (request) => {
      const result = await inner.reserve(request);
      held.push(...result.reservations);
      return result;
    },
    clear: async (queue) => {
      const cleared = await inner.clear(queue);
      await inner.finish(held.splice(0).map((reservation) => ({ reservation, outcome: "done" })));
      return cleared;
    },
  });
};

const clearsFailed: Wrapper = (inner) =>
  changed(inner, {
    clear: async (queue) => {
      const failed = await inner.records?.list({ state: "failed" }, { limit: 100 });
      await inner.records?.remove(failed?.jobs.map(({ id }) => id) ?? []);
      return inner.clear(queue);
    },
  });

/** Delayed jobs outlive a clear. */
const clearsReady: Wrapper = (inner) =>
  changed(inner, {
    clear: async (queue) => {
      const delayed = await inner.records?.list({ state: "delayed" }, { limit: 100 });
      const cleared = await inner.clear(queue);
      const again =
        delayed?.jobs.map((job) => ({
          ...fieldsOf(job),
          sequence: undefined,
          delayMs: 10_000,
          runAt: undefined,
          maxLosses: 3,
        })) ?? [];
      await inner.push(again);
      return cleared;
    },
  });

/** A pause of this process alone, and nobody else hears of it. */
const pausesAlone: Wrapper = (inner) => {
  const paused = new Set<string>();
  return changed(inner, {
    reserve: (request) => inner.reserve({ ...request, queues: request.queues.filter((queue) => !paused.has(queue)) }),
    pause: async (queue) => void paused.add(queue),
    resume: async (queue) => void paused.delete(queue),
    stats: async (queue) => ({ ...(await inner.stats(queue)), paused: queue !== undefined && paused.has(queue) }),
  });
};

const pausesPushes: Wrapper = (inner) => {
  const paused = new Set<string>();
  return changed(inner, {
    push: async (jobs, options) => {
      if (jobs.some(({ queue }) => paused.has(queue))) throw new Error("paused");
      return inner.push(jobs, options);
    },
    pause: (queue) => {
      paused.add(queue);
      return inner.pause(queue);
    },
    resume: (queue) => {
      paused.delete(queue);
      return inner.resume(queue);
    },
  });
};

/** Pages by number: what is removed meanwhile shifts the rest. */
const pagesByNumber: Wrapper = recording((records) => ({
  list: async (filter, { limit, cursor }) => {
    const start = Number(cursor ?? 0);
    const { jobs } = await records.list(filter, { limit: 1_000 });
    const page = jobs.slice(start, start + limit);
    return { jobs: page, cursor: start + limit < jobs.length ? String(start + limit) : undefined };
  },
}));

const FOREVER = { count: Infinity, ageMs: Infinity };
const NOTHING = { count: 0, ageMs: Infinity };

export const brokenKeeping: readonly Broken[] = [
  {
    breaks: "clear leaves held jobs",
    caughtBy: "clear: removes what waits in that queue and nothing else",
    wrap: clearsHeld,
  },
  {
    breaks: "clear leaves failed jobs",
    caughtBy: "clear: removes what waits in that queue and nothing else",
    wrap: clearsFailed,
  },
  { breaks: "clear removes delayed jobs", caughtBy: "clear: removes delayed jobs, too", wrap: clearsReady },
  {
    breaks: "clear of one queue leaves the others",
    caughtBy: "clear: removes what waits in that queue and nothing else",
    wrap: (inner) => changed(inner, { clear: () => inner.clear() }),
  },
  {
    breaks: "clear tells how many",
    caughtBy: "clear: without a name means every queue",
    wrap: (inner) =>
      changed(inner, {
        clear: async (queue) => {
          await inner.clear(queue);
          return { removed: 0 };
        },
      }),
  },
  {
    breaks: "pause stops reservations",
    caughtBy: "pause: a paused queue gives nothing, takes pushes, and leaves held jobs and other queues alone",
    wrap: (inner) => changed(inner, { pause: () => Promise.resolve() }),
  },
  {
    breaks: "pause leaves pushes alone",
    caughtBy: "pause: a paused queue gives nothing, takes pushes, and leaves held jobs and other queues alone",
    wrap: pausesPushes,
  },
  {
    breaks: "a pause shows in the statistics",
    caughtBy: "pause: a paused queue gives nothing, takes pushes, and leaves held jobs and other queues alone",
    wrap: counting(() => ({ paused: false })),
  },
  {
    breaks: "a pause stops consumers that wait already",
    caughtBy: "pause: a consumer that was blocked before the pause gets nothing during it",
    wrap: pausesAlone,
  },
  {
    breaks: "a pause holds for every process and survives restarts",
    caughtBy: "pause: holds for every process, also for one that starts later, and outlives the one that asked",
    base: "sessions",
    wrap: pausesAlone,
  },
  {
    breaks: "clear leaves the pause in force",
    caughtBy: "pause: clear and an empty queue leave the pause in force",
    wrap: (inner) =>
      changed(inner, {
        clear: async (queue = "work") => {
          await inner.resume(queue);
          return inner.clear(queue);
        },
      }),
  },
  {
    breaks: "resume wakes whoever waits",
    caughtBy: "pause: resume wakes a blocked consumer",
    wrap: (inner) => changed(inner, { resume: () => Promise.resolve() }),
  },
  {
    breaks: "delayed is not pending",
    caughtBy: "statistics: at rest every state is counted, for one queue and for all",
    wrap: counting(({ pending = 0, delayed = 0 }) => ({ pending: pending + delayed, delayed: 0 })),
  },
  {
    breaks: "the numbers of one queue are of that queue",
    caughtBy: "statistics: at rest every state is counted, for one queue and for all",
    wrap: (inner) => changed(inner, { stats: () => inner.stats() }),
  },
  {
    breaks: "a number that is not known is not 0",
    caughtBy: "statistics: of an empty store",
    wrap: counting((stats) => ({ reserved: stats.reserved === 0 ? undefined : stats.reserved })),
  },
  {
    breaks: "a job that comes back is not reserved any more",
    caughtBy: "statistics: a job that moves is counted once, where it is",
    wrap: (inner) => {
      let most = 0;
      return counting(({ reserved = 0 }) => ({ reserved: (most = Math.max(most, reserved)) }))(inner);
    },
  },
  {
    breaks: "completed counts what was completed",
    caughtBy: "statistics: under load no number is impossible, and at rest all are right",
    wrap: counting(({ completed = 0 }) => ({ completed: Math.min(completed, 100) })),
  },
  {
    breaks: "a delayed job is pending when it is due",
    caughtBy: "statistics: a delayed job is delayed, then pending",
    wrap: (inner) => {
      let seen = 0;
      return counting(({ delayed = 0 }) => ({ delayed: (seen = Math.max(seen, delayed)) }))(inner);
    },
  },
  {
    breaks: "no number is impossible under load",
    caughtBy: "statistics: under load no number is impossible, and at rest all are right",
    wrap: counting(({ pending = 0 }) => ({ pending: pending > 30 ? -1 : pending })),
  },
  {
    breaks: "the oldest waiting job tells since when",
    caughtBy: "statistics: the oldest waiting job tells since when",
    wrap: counting(({ oldestPendingAt }) => ({
      oldestPendingAt: oldestPendingAt === undefined ? undefined : oldestPendingAt + 86_400_000,
    })),
  },
  {
    breaks: "queues lists every queue",
    caughtBy: "statistics: queues lists what was pushed to, once each",
    wrap: (inner) => changed(inner, { queues: async () => (await inner.queues()).slice(1) }),
  },
  {
    breaks: "failed jobs are kept",
    caughtBy: "records: a failed job is kept with everything there is to know",
    wrap: finishing((item) => (item.outcome === "fail" ? { reservation: item.reservation, outcome: "done" } : item)),
  },
  {
    breaks: "failed jobs are listed in the order in which they failed",
    caughtBy: "records: failed jobs are listed in the order in which they failed",
    wrap: recording((records) => ({
      list: async (filter, page) => {
        const { jobs } = await records.list(filter, { limit: 1_000 });
        const sorted = jobs.toSorted((a, b) => a.createdAt - b.createdAt || a.id.localeCompare(b.id));
        const start = Number(page.cursor ?? 0);
        return {
          jobs: sorted.slice(start, start + page.limit),
          cursor: start + page.limit < jobs.length ? String(start + page.limit) : undefined,
        };
      },
    })),
  },
  {
    breaks: "a cursor stays valid while jobs come and go",
    caughtBy: "records: a cursor stays valid while jobs come and go",
    wrap: pagesByNumber,
  },
  ...(["state", "queue", "name", "tag", "error", "before"] as const).map((condition) => ({
    breaks: `a listing honours ${condition}`,
    caughtBy: `records: list by ${condition} finds the one that matches`,
    wrap: recording((records) => ({
      list: (filter, page) => {
        const { [condition]: _ignored, ...rest } = filter;
        return records.list(rest, page);
      },
    })),
  })),
  {
    breaks: "retry brings failed jobs back",
    caughtBy: "records: retry brings failed jobs back with all counts at 0, and only those",
    wrap: recording(() => ({ retry: async (ids) => ids.length })),
  },
  {
    breaks: "remove leaves held jobs",
    caughtBy: "records: remove takes jobs away that are not held, and counts them",
    wrap: recording((records) => ({ remove: async (ids, state) => (await records.remove(ids, state)) + 1 })),
  },
  {
    breaks: "promote brings delayed jobs forward",
    caughtBy: "records: promote brings delayed jobs forward, and only those",
    wrap: recording(() => ({ promote: async () => 1 })),
  },
  {
    breaks: "a listing keeps to its limit",
    caughtBy: "records: failed jobs are listed in the order in which they failed",
    wrap: recording((records) => ({ list: (filter) => records.list(filter, { limit: 1_000 }) })),
  },
  {
    breaks: "results are kept when asked for",
    caughtBy: "records: completed jobs are kept with their result when asked for",
    wrap: finishing((item) => (item.outcome === "done" ? { ...item, result: undefined } : item)),
  },
  {
    breaks: "completed jobs are not kept unless asked for",
    caughtBy: "records: completed jobs are not kept unless asked for",
    wrap: opening((context) => ({ ...context, retention: { completed: FOREVER, failed: FOREVER } })),
  },
  {
    breaks: "retention by number",
    caughtBy: "records: only so many finished jobs stay: the newest",
    wrap: opening((context) => ({ ...context, retention: { completed: FOREVER, failed: FOREVER } })),
  },
  {
    breaks: "retention by number, by maintain",
    caughtBy:
      "records: maintain prunes at most max at once and tells how many, so that nothing stays when it is repeated",
    wrap: opening((context) => ({ ...context, retention: { completed: FOREVER, failed: FOREVER } })),
  },
  {
    breaks: "maintain tells what it pruned",
    caughtBy:
      "records: maintain prunes at most max at once and tells how many, so that nothing stays when it is repeated",
    wrap: prunesSilently,
  },
  {
    breaks: "two that prune at once leave as many as may stay",
    caughtBy: "records: those that prune at once, also in two processes, leave as many as may stay",
    wrap: prunesByAnOldCount,
  },
  {
    breaks: "retention by age",
    caughtBy: "records: finished jobs stay only so long",
    wrap: opening((context) => ({ ...context, retention: { completed: FOREVER, failed: FOREVER } })),
  },
  {
    breaks: "a failed job is not pruned before its time",
    caughtBy: "records: finished jobs stay only so long",
    wrap: opening((context) => ({ ...context, retention: { completed: NOTHING, failed: NOTHING } })),
  },
];
