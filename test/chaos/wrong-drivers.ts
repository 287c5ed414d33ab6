/** Drivers that break one promise each, around a right one: the checker must find every one of them. */
import { DatabaseSync } from "node:sqlite";
import { setTimeout as pause } from "node:timers/promises";
import type { Driver, FinishItem, PushItem, PushResult, Reservation } from "../../src/contract/index.ts";
import { LINGER_MS } from "./job-plan.ts";

/** How long a store that confirms too early takes to do what it said it had done. Longer than a handler that lingers. */
const LATE_MS = LINGER_MS + 400;

export function isWrongDriver(name: string | undefined): name is WrongName {
  return name !== undefined && name in WRONG;
}

export function wrongDriver(name: WrongName, right: Driver, url: string): Driver {
  return { ...passOn(right), ...WRONG[name](right, url) };
}

export type WrongName = keyof typeof WRONG;

type Breaking = (right: Driver, url: string) => Partial<Driver>;

const WRONG = {
  deletesAtReserve,
  acknowledgesWithoutToken,
  reapsTooEarly,
  dropsEvery1000th,
  confirmsPushBeforeCommit,
  confirmsFinishBeforeCommit,
  forgetsDelays,
  damagesPayloads,
} as const satisfies Readonly<Record<string, Breaking>>;

export const WRONG_NAMES: readonly WrongName[] = Object.keys(WRONG) as WrongName[];

function passOn(right: Driver): Driver {
  return {
    name: right.name,
    records: right.records,
    open: (context) => right.open(context),
    close: () => right.close(),
    classify: (error) => right.classify(error),
    push: (jobs) => right.push(jobs),
    reserve: (request) => right.reserve(request),
    finish: (items) => right.finish(items),
    extend: (items) => right.extend(items),
    maintain: (options) => right.maintain(options),
    queues: () => right.queues(),
    stats: (queue) => right.stats(queue),
    clear: (queue) => right.clear(queue),
    pause: (queue) => right.pause(queue),
    resume: (queue) => right.resume(queue),
  };
}

/** As a queue on a plain list does: taken is gone. */
function deletesAtReserve(right: Driver): Partial<Driver> {
  return {
    async reserve(request) {
      const result = await right.reserve(request);
      await right.finish(result.reservations.map((reservation): FinishItem => ({ reservation, outcome: "done" })));
      return result;
    },
    async finish(items) {
      await right.push(items.flatMap((item) => (item.outcome === "release" ? [pushAgain(item.reservation)] : [])));
      return items.map(() => "ok");
    },
    extend: async (items) => items.map(() => "ok"),
  };
}

function pushAgain({ job }: Reservation): PushItem {
  const { id, queue, name, priority, tags, createdAt, envelope, payload } = job;
  const fields = { id, queue, name, priority, tags, createdAt, envelope, payload };
  return { ...fields, sequence: undefined, delayMs: 0, runAt: undefined, maxLosses: 3 };
}

/** Whoever names the job may end it. */
function acknowledgesWithoutToken(right: Driver, url: string): Partial<Driver> {
  const database = new DatabaseSync(url.slice(url.indexOf(":") + 1));
  database.exec("PRAGMA busy_timeout = 5000");
  const find = database.prepare("SELECT token FROM jobferry_jobs WHERE id = ?");
  return {
    finish: (items) =>
      right.finish(
        items.map((item) => {
          const { job, token } = item.reservation;
          const held = find.get(job.id) as Readonly<{ token: number | null }> | undefined;
          return { ...item, reservation: { job, token: held?.token ?? token } };
        }),
      ),
    async close() {
      database.close();
      await right.close();
    },
  };
}

/** The holder believes in a lease four times as long. */
function reapsTooEarly(right: Driver): Partial<Driver> {
  return {
    reserve: (request) => right.reserve({ ...request, leaseMs: request.leaseMs / 4 }),
    extend: (items) => right.extend(items.map((item) => ({ ...item, leaseMs: item.leaseMs / 4 }))),
  };
}

function dropsEvery1000th(right: Driver): Partial<Driver> {
  let seen = 0;
  return {
    async push(jobs) {
      const results: PushResult[] = jobs.map(() => ({ status: "stored" }));
      await right.push(jobs.filter(() => (seen += 1) % 1_000 !== 0));
      return results;
    },
  };
}

function confirmsPushBeforeCommit(right: Driver): Partial<Driver> {
  const late = lateWrites();
  return {
    async push(jobs) {
      late.add(() => right.push(jobs));
      return jobs.map(() => ({ status: "stored" }));
    },
    close: () => late.settled().then(() => right.close()),
  };
}

function confirmsFinishBeforeCommit(right: Driver): Partial<Driver> {
  const late = lateWrites();
  return {
    async finish(items) {
      late.add(() => right.finish(items));
      return items.map(() => "ok");
    },
    close: () => late.settled().then(() => right.close()),
  };
}

function lateWrites(): Readonly<{ add: (write: () => Promise<unknown>) => void; settled: () => Promise<unknown> }> {
  const open = new Set<Promise<unknown>>();
  return {
    add(write) {
      const done = pause(LATE_MS).then(write);
      const forgotten = done.finally(() => open.delete(forgotten));
      open.add(forgotten);
    },
    settled: () => Promise.allSettled(open),
  };
}

function forgetsDelays(right: Driver): Partial<Driver> {
  return {
    push: (jobs) => right.push(jobs.map((job) => ({ ...fieldsOf(job), delayMs: job.delayMs / 2 }))),
  };
}

/** One bit of one payload in a hundred. */
function damagesPayloads(right: Driver): Partial<Driver> {
  let seen = 0;
  return {
    push: (jobs) =>
      right.push(
        jobs.map((job) => {
          seen += 1;
          const fields = fieldsOf(job);
          if (seen % 100 !== 0 || job.payload.length === 0) return fields;
          const payload = Uint8Array.from(job.payload);
          payload.set([(payload.at(-1) ?? 0) ^ 1], payload.length - 1);
          return { ...fields, payload };
        }),
      ),
  };
}

/** Pushed items may have getters, which a spread does not see. */
function fieldsOf(item: PushItem): PushItem {
  const { id, sequence, queue, name, priority, tags, delayMs, runAt, maxLosses, createdAt, envelope, payload } = item;
  return { id, sequence, queue, name, priority, tags, delayMs, runAt, maxLosses, createdAt, envelope, payload };
}
