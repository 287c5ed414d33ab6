// DESIGN 4, push; guarantees 1 and 7.
import type { PushItem, PushResult } from "../../../src/contract/index.ts";
import { changed } from "./breaking.ts";
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

export const brokenPushes: readonly Broken[] = [
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
];
