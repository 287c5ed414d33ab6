// DESIGN 3: tokens, attempts, losses. Guarantees 2 and 9: one valid lease at a time, a stale finish is refused.
import type { FinishItem, Reservation } from "../../../src/contract/index.ts";
import {
  answering,
  asking,
  changed,
  disguising,
  fieldsOf,
  finishAnswers,
  finishing,
  pushing,
  showing,
  ticking,
  tokensOf,
} from "./breaking.ts";
import type { Broken, Wrapper } from "./breaking.ts";

/** A finish that is refused is done with the newest token of that job: a store that compares ids alone. */
const finishesById: Wrapper = (inner) => {
  const newest = new Map<string, Reservation>();
  return changed(inner, {
    reserve: async (request) => {
      const result = await inner.reserve(request);
      for (const reservation of result.reservations) newest.set(reservation.job.id, reservation);
      return result;
    },
    finish: (items) =>
      inner.finish(
        items.map((item) => ({ ...item, reservation: newest.get(item.reservation.job.id) ?? item.reservation })),
      ),
  });
};

/** Gives what somebody holds to the next one who asks. */
const givesTwice: Wrapper = (inner) => {
  let last: Reservation | undefined;
  let copies = 0;
  return changed(inner, {
    reserve: async (request) => {
      const result = await inner.reserve(request);
      if (result.reservations.length > 0 || last === undefined) {
        last = result.reservations[0] ?? last;
        return result;
      }
      copies += 1;
      return { ...result, reservations: [{ job: fieldsOf(last.job), token: `${last.token} copy ${copies}` }] };
    },
  });
};

const releasesAsLoss = (item: FinishItem): FinishItem => (item.outcome === "release" ? { ...item, loss: true } : item);

const reportsTwice: Wrapper = (inner) => {
  let before: Awaited<ReturnType<typeof inner.maintain>>["died"] = [];
  return changed(inner, {
    reserve: async (request) => {
      const result = await inner.reserve(request);
      const died = [...result.died, ...before];
      before = result.died;
      return { ...result, died };
    },
  });
};

/** Keeps finishes to itself until close, and answers at once. */
const finishesLater: Wrapper = (inner) => {
  const kept: FinishItem[] = [];
  return changed(inner, {
    finish: async (items) => {
      kept.push(...items);
      return items.map(() => "ok");
    },
    close: async () => {
      await inner.finish(kept.splice(0));
      await inner.close();
    },
  });
};

let clears = 0;

export const brokenLeases: readonly Broken[] = [
  {
    breaks: "a token is never given out twice",
    caughtBy: "leases: a stale token after a release",
    wrap: (inner) => disguising(inner, ({ job }) => ({ token: job.id.length })),
  },
  {
    breaks: "a token is not derived from attempts: refund",
    caughtBy: "leases: a stale token after a refund",
    wrap: tokensOf(({ id, attempts }) => `${id} ${attempts}`),
  },
  {
    breaks: "a token is not derived from attempts: retry from failed",
    caughtBy: "leases: a stale token after retry from failed",
    wrap: tokensOf(({ id, attempts }) => `${id} ${attempts}`),
  },
  {
    breaks: "a token is not reused after clear and a push of the same id",
    caughtBy: "leases: a stale token after clear and a push of the same id",
    wrap: (inner) =>
      changed(tokensOf(({ id, attempts }) => `${id} ${attempts} of clear ${clears % 2}`)(inner), {
        clear: async (queue) => {
          clears += 2;
          return inner.clear(queue);
        },
      }),
  },
  {
    breaks: "a stale finish is refused, not answered with ok",
    caughtBy: "leases: a stale token after a loss",
    wrap: finishAnswers((results) => results.map(() => "ok")),
  },
  { breaks: "a stale finish changes nothing", caughtBy: "leases: a stale token after a loss", wrap: finishesById },
  {
    breaks: "a stale finish after a release changes nothing",
    caughtBy: "leases: a stale token after a release",
    wrap: finishesById,
  },
  {
    breaks: "a stale finish after done and a new push changes nothing",
    caughtBy: "leases: a stale token after done and a push of the same id",
    wrap: finishesById,
  },
  {
    breaks: "a stale extend is refused",
    caughtBy: "leases: an extended lease holds longer, and every answer is in order",
    wrap: (inner) => changed(inner, { extend: async (items) => (await inner.extend(items)).map(() => "ok") }),
  },
  {
    breaks: "a handle of an earlier connection is lost",
    caughtBy: "leases: a handle dies with its connection, also in the hands of the next one",
    base: "sessions",
    wrap: finishAnswers((results) => results.map(() => "ok")),
  },
  {
    breaks: "a held job is given to nobody else",
    caughtBy: "leases: a held job is given to nobody else",
    wrap: givesTwice,
  },
  {
    breaks: "a lease lasts as long as was asked",
    caughtBy: "leases: a lease holds to its end",
    wrap: asking((request) => ({ ...request, leaseMs: request.leaseMs / 2 })),
  },
  {
    breaks: "a lease ends",
    caughtBy: "leases: a job whose lease was lost comes again, with one loss and one attempt more",
    wrap: asking((request) => ({ ...request, leaseMs: request.leaseMs * 1_000 })),
  },
  {
    breaks: "extend makes a lease longer",
    caughtBy: "leases: an extended lease holds longer, and every answer is in order",
    wrap: (inner) =>
      changed(inner, { extend: (items) => inner.extend(items.map((item) => ({ ...item, leaseMs: 1 }))) }),
  },
  {
    breaks: "extend counts from now",
    caughtBy: "leases: extend counts from now: it can shorten, too",
    wrap: (inner) =>
      changed(inner, {
        extend: (items) => inner.extend(items.map((item) => ({ ...item, leaseMs: item.leaseMs + 600_000 }))),
      }),
  },
  {
    breaks: "a step of the wall clock ends no lease",
    caughtBy: "leases: a step of the wall clock ends no lease",
    wrap: ticking((clock) => ({ monotonic: () => clock.now() })),
  },
  {
    breaks: "attempts rise with every reservation, also after a loss",
    caughtBy: "leases: a job whose lease was lost comes again, with one loss and one attempt more",
    wrap: showing(({ attempts, losses }) => ({ attempts: attempts - losses })),
  },
  {
    breaks: "attempts survive a release",
    caughtBy: "finish: a released job comes again with one attempt more",
    wrap: showing(() => ({ attempts: 1 })),
  },
  {
    breaks: "attempts survive a crash",
    caughtBy: "processes: jobs that a process held when it died come again, attempts and losses counted",
    base: "sessions",
    wrap: showing(() => ({ attempts: 1 })),
  },
  {
    breaks: "an attempt is given back where refund is declared",
    caughtBy: "finish: a refund gives the attempt back",
    wrap: finishing((item) => (item.outcome === "release" ? { ...item, refund: false } : item)),
  },
  {
    breaks: "losses are counted",
    caughtBy: "leases: a job whose lease was lost comes again, with one loss and one attempt more",
    wrap: showing(() => ({ losses: 0 })),
  },
  {
    breaks: "a release is no loss",
    caughtBy: "finish: a released job comes again with one attempt more",
    wrap: finishing(releasesAsLoss),
  },
  {
    breaks: "a loss that is handed back counts",
    caughtBy: "leases: a release of a job whose worker died counts as a loss",
    wrap: finishing((item) => (item.outcome === "release" ? { ...item, loss: false } : item)),
  },
  {
    breaks: "a lost job is failed at maxLosses",
    caughtBy: "leases: a lost job is failed by the store at maxLosses, and reported once",
    wrap: pushing((job) => ({ ...job, maxLosses: 1_000 })),
  },
  {
    breaks: "a lost job is not failed before maxLosses",
    caughtBy: "leases: a lost job is failed by the store at maxLosses, and reported once",
    wrap: pushing((job) => ({ ...job, maxLosses: Math.max(1, job.maxLosses - 1) })),
  },
  {
    breaks: "jobs that the store failed are reported",
    caughtBy: "leases: a lost job is failed by the store at maxLosses, and reported once",
    wrap: (inner) =>
      changed(inner, {
        reserve: async (request) => ({ ...(await inner.reserve(request)), died: [] }),
        maintain: async (options) => ({ ...(await inner.maintain(options)), died: [] }),
      }),
  },
  {
    breaks: "what died did not come back",
    caughtBy: "leases: maintain tells what came back and what died apart",
    wrap: (inner) =>
      changed(inner, {
        maintain: async (options) => {
          const result = await inner.maintain(options);
          return { ...result, recovered: result.recovered + result.died.length };
        },
      }),
  },
  {
    breaks: "jobs that the store failed are reported once",
    caughtBy: "leases: a lost job is failed by the store at maxLosses, and reported once",
    wrap: reportsTwice,
  },
  {
    breaks: "a used-up job fails with LEASE_EXPIRED",
    caughtBy: "leases: a lost job is failed by the store at maxLosses, and reported once",
    wrap: answering((result) => ({
      ...result,
      died: result.died.map((job) => ({ ...fieldsOf(job), failure: undefined })),
    })),
  },
  {
    breaks: "a job that was lost is never fetched ahead: neighbours of a poison job live",
    caughtBy: "leases: a poison job among 100 that were fetched ahead dies alone",
    wrap: asking(({ free: _free, ...request }) => request),
  },
  {
    breaks: "a job that was lost is only given for a free slot",
    caughtBy: "leases: jobs that were lost are only given for free slots",
    wrap: asking(({ free: _free, ...request }) => request),
  },
  {
    breaks: "a confirmed finish is stored before ok",
    caughtBy: "finish: a job that is done stays done when its driver dies",
    base: "sessions",
    wrap: finishesLater,
  },
  {
    breaks: "a lease that was waited for is counted from the claim",
    caughtBy: "reserve: a lease that was waited for is counted from its claim, not from the call",
    wrap: answering(({ claimedAt: _claimedAt, ...result }) => result),
  },
];
