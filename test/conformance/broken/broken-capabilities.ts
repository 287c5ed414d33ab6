// DESIGN 4, capabilities: a driver that does more than it declares, or less.
import type { Capabilities, CoordinationStore, Support } from "../../../src/contract/index.ts";
import { UnsupportedError } from "../../../src/errors/index.ts";
import { changed, declaring } from "./breaking.ts";
import type { Broken } from "./breaking.ts";

const unsupported: Support = "unsupported";
const NO_DELAY: Capabilities["delay"] = { support: unsupported, precisionMs: 0, maxMs: 0 };

/** Declares less than the driver does, or more. */
export const brokenCapabilities: readonly Broken[] = [
  {
    breaks: "push by id is declared where it is",
    caughtBy: "push: a driver that does not push by id never answers exists",
    wrap: declaring(() => ({ pushById: false })),
  },
  {
    breaks: "refunds are declared where they are",
    caughtBy: "finish: a driver that declares no refund gives none",
    wrap: declaring(() => ({ refund: false })),
  },
  {
    breaks: "a priority beyond the declared range is refused",
    caughtBy: "order: a priority beyond the declared range is refused",
    base: "sessions",
    wrap: declaring(({ priority }) => ({ priority: { ...priority, min: -5, max: 5 } })),
  },
  {
    breaks: "a driver without priorities refuses them",
    caughtBy: "order: a priority beyond the declared range is refused",
    base: "sessions",
    wrap: declaring(({ priority }) => ({ priority: { ...priority, support: unsupported, min: 0, max: 0 } })),
  },
  {
    breaks: "a driver without delays refuses them at the push",
    caughtBy: "delays: a delay is refused where there are none",
    wrap: declaring(() => ({ delay: NO_DELAY })),
  },
  {
    breaks: "a driver without delays refuses them at the release",
    caughtBy: "finish: a release with a delay is refused where there are none, and the job stays held",
    wrap: declaring(() => ({ delay: NO_DELAY })),
  },
  {
    breaks: "a delay beyond the declared maximum is refused",
    caughtBy: "delays: a delay beyond the declared maximum is refused",
    wrap: declaring(({ delay }) => ({ delay: { ...delay, maxMs: 20_000 } })),
  },
  {
    breaks: "a runAt beyond the declared maximum is refused",
    caughtBy: "delays: a runAt beyond the declared maximum is refused",
    wrap: declaring(({ delay }) => ({ delay: { ...delay, maxMs: 20_000 } })),
  },
  {
    breaks: "a driver that cannot extend refuses it",
    caughtBy: "leases: extend is refused where it is not supported",
    wrap: declaring(({ lease }) => ({ lease: { ...lease, extend: unsupported } })),
  },
  {
    breaks: "a payload over the declared limit is refused",
    caughtBy: "push: a payload of the declared limit is stored, one byte more is refused",
    wrap: declaring(() => ({ payload: { maxBytes: 10_000 } })),
  },
  {
    breaks: "a payload of the declared limit is taken",
    caughtBy: "push: a payload of the declared limit is stored, one byte more is refused",
    base: "sessions",
    wrap: declaring(({ payload }) => ({ payload: { maxBytes: payload.maxBytes * 2 } })),
  },
  {
    breaks: "a driver that cannot pause refuses it",
    caughtBy: "pause: is refused where it is not supported",
    wrap: declaring(() => ({ pause: { support: unsupported, lagMs: 0 } })),
  },
  {
    breaks: "a driver that can pause does",
    caughtBy: "pause: a paused queue gives nothing, takes pushes, and leaves held jobs and other queues alone",
    wrap: (inner) => changed(inner, { pause: () => Promise.reject(new UnsupportedError("pause", "no")) }),
  },
  {
    breaks: "a driver that cannot clear refuses it",
    caughtBy: "clear: is refused where it is not supported",
    wrap: declaring(() => ({ clear: { support: unsupported, counts: false } })),
  },
  {
    breaks: "clear tells a number only where it is declared",
    caughtBy: "clear: removes what waits in that queue and nothing else",
    wrap: declaring(() => ({ clear: { support: "native", counts: false } })),
  },
  {
    breaks: "a number that is declared none is not guessed",
    caughtBy: "statistics: at rest every state is counted, for one queue and for all",
    wrap: declaring(({ stats }) => ({ stats: { ...stats, completed: "none" } })),
  },
  {
    breaks: "records are declared where they are",
    caughtBy: "life cycle: records and coordination are there exactly where they are declared",
    wrap: declaring(() => ({ records: false })),
  },
  {
    breaks: "records are there where they are declared",
    caughtBy: "life cycle: records and coordination are there exactly where they are declared",
    wrap: declaring(
      () => ({ records: true }),
      () => ({ records: undefined }),
    ),
  },
  {
    breaks: "a coordination store is there where it is declared",
    caughtBy: "life cycle: records and coordination are there exactly where they are declared",
    wrap: declaring(
      () => ({ coordination: true }),
      () => ({ coordination: undefined }),
    ),
  },
  {
    breaks: "a coordination store works beside the jobs",
    caughtBy: "life cycle: the coordination store opens, keeps a key and closes, whatever the driver does",
    wrap: declaring(
      () => ({ coordination: true }),
      ({ coordination }) => ({
        coordination: Object.create(coordination ?? null, {
          open: { value: () => Promise.reject(new Error("it does not open")) },
        }) as CoordinationStore,
      }),
    ),
  },
  {
    breaks: "a driver without transactions refuses one",
    caughtBy: "push: a driver without transactions refuses one",
    base: "sessions",
    wrap: (inner) => changed(inner, { push: (jobs) => inner.push(jobs) }),
  },
  {
    breaks: "attempts are exact where they are declared so",
    caughtBy: "finish: a released job comes again with one attempt more",
    wrap: declaring(
      () => ({ attempts: "exact" }),
      (inner) => ({
        finish: (items) =>
          inner.finish(items.map((item) => (item.outcome === "release" ? { ...item, refund: true } : item))),
      }),
    ),
  },
  {
    breaks: "a driver that is shared can be shared",
    caughtBy: "processes: what one process pushes another reserves",
    base: "sessions",
    // Keeps to itself what it was given.
    wrap: (inner) =>
      changed(inner, {
        push: (jobs, options) =>
          inner.push(
            jobs.map((job) => ({ ...job, delayMs: 600_000 })),
            options,
          ),
      }),
  },
];
