/** The mixed jobs of a chaos run: what the producers push, and what the handler must find and do. */
import { createHash } from "node:crypto";
import { createJob, type Job, type JobOptions, type NewJob } from "../../src/entry/index.ts";
import type { Fate, Pushing } from "./log.ts";

/** What a handler does with the job. The last three kill their process. */
export type Act =
  | "returns"
  | "lingers"
  | "throwsOnce"
  | "throws"
  | "retries"
  | "snoozes"
  | "cancels"
  | "timesOut"
  | "killsItself"
  | "aborts"
  | "eatsMemory";

const FATES: Readonly<Record<Act, Fate>> = {
  returns: "done",
  lingers: "done",
  throwsOnce: "done",
  throws: "HANDLER_FAILED",
  retries: "done",
  snoozes: "done",
  cancels: "CANCELLED",
  timesOut: "TIMEOUT",
  killsItself: "LEASE_EXPIRED",
  aborts: "LEASE_EXPIRED",
  eatsMemory: "LEASE_EXPIRED",
};

/** How many of a hundred jobs do what; the rest returns at once. */
export type Mix = Readonly<Partial<Record<Act, number>>>;

export const EVERYDAY: Mix = {
  lingers: 10,
  throwsOnce: 6,
  throws: 3,
  retries: 4,
  snoozes: 4,
  cancels: 2,
  timesOut: 2,
};
export const WELL_BEHAVED: Mix = { lingers: 45 };
export const NOTHING_FAILS: Mix = { lingers: 10, throwsOnce: 6, retries: 4, snoozes: 4 };

/** Of every scenario. */
export const QUEUES: readonly string[] = ["orders", "mails", "reports"];
export const ONE_QUEUE = "orders";
const MAX_ATTEMPTS = 2;
/** How long a handler that lingers takes. */
export const LINGER_MS = 400;

export type Planned = Readonly<{ job: NewJob; line: Pushing }>;

/** Random choices of one producer, the same for the same seed (mulberry32). */
function choices(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

export type PlanOptions = Readonly<{
  mix: Mix;
  delays: boolean;
  maxLosses: number;
  /** All of them into one, of one priority. */
  oneQueue?: boolean;
  /** What the store takes. */
  priority: Readonly<{ min: number; max: number }>;
}>;

/** Makes one job after the other. The acts come evenly spread, as from a deck of a hundred cards, so that a rare one comes in a short run too. */
export function planner(seed: number, options: PlanOptions): (batch?: string) => Planned {
  const choose = choices(seed);
  let card = choose(100);
  return (batch) => {
    card = (card + 37) % 100; // meets every card before it meets one again
    return planJob(choose, chooseAct(options.mix, card), options, batch);
  };
}

function planJob(
  choose: (below: number) => number,
  act: Act,
  options: PlanOptions,
  batch: string | undefined,
): Planned {
  const delayMs = options.delays && choose(5) === 0 ? choose(2_000) : 0;
  const queue = options.oneQueue === true ? ONE_QUEUE : (QUEUES[choose(QUEUES.length)] ?? ONE_QUEUE);
  const priority = options.oneQueue === true ? 0 : choose(3) - 1;
  // What kills its worker costs everybody a lease: it gets few tries.
  const maxLosses = FATES[act] === "LEASE_EXPIRED" ? 2 : options.maxLosses;
  const maxAttempts = MAX_ATTEMPTS + choose(2);
  const job = planned(choose, {
    queue,
    maxLosses,
    maxAttempts,
    name: `chaos.${act}`,
    priority: Math.min(Math.max(priority, options.priority.min), options.priority.max),
    backoff: [50, 100],
    headers: { act, "x-größe": "ß\u0000 \u{1f680}" },
    tags: { act, n: String(choose(10)) },
    ...(act === "timesOut" ? { timeout: 150 } : {}),
    ...(delayMs === 0 ? {} : { delay: delayMs }),
  });
  const { id } = job;
  const line: Pushing = {
    ...{ type: "pushing", id, queue, delayMs, maxAttempts, maxLosses, fate: FATES[act], sha: fingerprint(job) },
    ...(batch === undefined ? {} : { batch }),
  };
  return { job, line };
}

function chooseAct(mix: Mix, ticket: number): Act {
  let left = ticket;
  for (const [act, share] of Object.entries(mix) as [Act, number][]) {
    if (left < share) return act;
    left -= share;
  }
  return "returns";
}

/** Binary, text and JSON, mostly small, some of 100 KB. */
function planned(choose: (below: number) => number, options: JobOptions): NewJob {
  const size = choose(20) === 0 ? 100_000 : choose(300);
  switch (choose(3)) {
    case 0:
      return createJob(
        Uint8Array.from({ length: size }, () => choose(256)),
        options,
      );
    case 1:
      return createJob("grüße \u{1f680} ".repeat(Math.ceil(size / 10)), options);
    default:
      return createJob({ n: choose(1e9), text: "x".repeat(size), deep: [null, true, { "": "ok" }] }, options);
  }
}

/** Of everything that must come back as it was pushed. */
export function fingerprint(job: Job | NewJob): string {
  const { id, queue, name, priority, maxAttempts, timeout, delay } = job;
  const attributes = { id, queue, name, priority, maxAttempts, timeout, delay, ...texts(job) };
  const hash = createHash("sha1").update(JSON.stringify(attributes));
  const { payload } = job;
  if (payload instanceof Uint8Array) hash.update("bytes").update(payload);
  else hash.update(typeof payload).update(JSON.stringify(payload) ?? "unreadable");
  return hash.digest("base64");
}

function texts({ tags, headers }: Job | NewJob) {
  const sorted = (record: Readonly<Record<string, string>>) =>
    Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
  return { tags: sorted(tags), headers: sorted(headers) };
}
