// Tools to break a driver that works: a wrapper around it that does one thing wrong.
import type {
  Capabilities,
  Clock,
  Driver,
  DriverContext,
  FinishItem,
  FinishResult,
  PushItem,
  RecordStore,
  Reservation,
  ReserveRequest,
  ReserveResult,
  StoredJob,
} from "../../../src/contract/index.ts";

export type Wrapper = (inner: Driver) => Driver;

/** Both work: `store` lives in the process and leases jobs by time; `sessions` is shared, and its leases end with a session. */
export type Base = "store" | "sessions";

export type Broken = Readonly<{
  /** What the driver breaks, as DESIGN 3 to 5 say it. */
  breaks: string;
  /** The case that catches it, `group: name`. */
  caughtBy: string;
  /** Default: store. */
  base?: Base;
  wrap: Wrapper;
}>;

/** The same driver with some methods replaced. */
export function changed(inner: Driver, changes: Partial<Driver>): Driver {
  return {
    name: inner.name,
    keeps: inner.keeps,
    open: (context) => inner.open(context),
    close: () => inner.close(),
    classify: (error) => inner.classify(error),
    push: (jobs, options) => inner.push(jobs, options),
    reserve: (request) => inner.reserve(request),
    finish: (items) => inner.finish(items),
    extend: (items) => inner.extend(items),
    maintain: (options) => inner.maintain(options),
    queues: () => inner.queues(),
    stats: (queue) => inner.stats(queue),
    clear: (queue) => inner.clear(queue),
    pause: (queue) => inner.pause(queue),
    resume: (queue) => inner.resume(queue),
    records: inner.records,
    coordination: inner.coordination,
    ...changes,
  };
}

export const declaring =
  (
    change: (capabilities: Capabilities) => Partial<Capabilities>,
    changes: (inner: Driver) => Partial<Driver> = () => ({}),
  ): Wrapper =>
  (inner) =>
    changed(inner, {
      open: async (context) => {
        const capabilities = await inner.open(context);
        return { ...capabilities, ...change(capabilities) };
      },
      ...changes(inner),
    });

export const opening =
  (change: (context: DriverContext) => DriverContext): Wrapper =>
  (inner) =>
    changed(inner, { open: (context) => inner.open(change(context)) });

/** Another clock for the driver. What it says of its claims is in that clock's time and is left out. */
export const ticking =
  (change: (clock: Clock) => Partial<Clock>): Wrapper =>
  (inner) =>
    changed(inner, {
      open: (context) => {
        const { clock } = context;
        const same: Clock = {
          now: () => clock.now(),
          monotonic: () => clock.monotonic(),
          timer: (delayMs, callback, options) => clock.timer(delayMs, callback, options),
          random: () => clock.random(),
        };
        return inner.open({ ...context, clock: { ...same, ...change(clock) } });
      },
      reserve: async (request) => {
        const { claimedAt: _claimedAt, ...result } = await inner.reserve(request);
        return result;
      },
    });

export const pushing =
  (change: (job: PushItem) => PushItem): Wrapper =>
  (inner) =>
    changed(inner, { push: (jobs, options) => inner.push(jobs.map(change), options) });

export const asking =
  (change: (request: ReserveRequest) => ReserveRequest): Wrapper =>
  (inner) =>
    changed(inner, { reserve: (request) => inner.reserve(change(request)) });

export const answering =
  (change: (result: ReserveResult, request: ReserveRequest) => ReserveResult): Wrapper =>
  (inner) =>
    changed(inner, { reserve: async (request) => change(await inner.reserve(request), request) });

export const finishing =
  (change: (item: FinishItem) => FinishItem): Wrapper =>
  (inner) =>
    changed(inner, { finish: (items) => inner.finish(items.map(change)) });

export const finishAnswers =
  (change: (results: readonly FinishResult[], items: readonly FinishItem[]) => readonly FinishResult[]): Wrapper =>
  (inner) =>
    changed(inner, { finish: async (items) => change(await inner.finish(items), items) });

export const recording =
  (change: (records: RecordStore) => Partial<RecordStore>): Wrapper =>
  (inner) => {
    const { records } = inner;
    if (records === undefined) throw new Error("the base has no records");
    const same: RecordStore = {
      get: (id) => records.get(id),
      list: (filter, page) => records.list(filter, page),
      remove: (ids, state) => records.remove(ids, state),
      retry: (ids) => records.retry(ids),
      promote: (ids) => records.promote(ids),
    };
    return changed(inner, { records: { ...same, ...change(records) } });
  };

/** A job's fields, also where they are getters of a class. */
export function fieldsOf(job: StoredJob): StoredJob {
  const { item, id, queue, name, priority, tags, envelope, payload, state, attempts, losses, exceptions } = job;
  const { createdAt, availableAt, reservedAt, finishedAt, failure, result } = job;
  const times = { createdAt, availableAt, reservedAt, finishedAt };
  return {
    item,
    id,
    queue,
    name,
    priority,
    tags,
    envelope,
    payload,
    state,
    attempts,
    losses,
    exceptions,
    ...times,
    failure,
    result,
  };
}

/** Hands out other reservations than the inner driver's, and gives it back its own. */
export function disguising(
  inner: Driver,
  disguise: (reservation: Reservation) => Partial<Reservation>,
  changes: Partial<Driver> = {},
): Driver {
  const originals = new WeakMap<Reservation, Reservation>();
  const original = (reservation: Reservation): Reservation => originals.get(reservation) ?? reservation;
  return changed(inner, {
    reserve: async (request) => {
      const result = await inner.reserve(request);
      const reservations = result.reservations.map((reservation) => {
        const shown = { job: reservation.job, token: reservation.token, ...disguise(reservation) };
        originals.set(shown, reservation);
        return shown;
      });
      return { ...result, reservations };
    },
    finish: (items) => inner.finish(items.map((item) => ({ ...item, reservation: original(item.reservation) }))),
    extend: (items) => inner.extend(items.map((item) => ({ ...item, reservation: original(item.reservation) }))),
    ...changes,
  });
}

/** Jobs that look different when they are reserved. */
export const showing =
  (change: (job: StoredJob) => Partial<StoredJob>): Wrapper =>
  (inner) =>
    disguising(inner, ({ job }) => ({ job: { ...fieldsOf(job), ...change(job) } }));

/** Tokens that are made of something else, and count whenever they fit the newest reservation that they were made for. */
export const tokensOf =
  (make: (job: StoredJob) => string): Wrapper =>
  (inner) => {
    const newest = new Map<string, Reservation>();
    const current = (reservation: Reservation): Reservation => newest.get(String(reservation.token)) ?? reservation;
    return changed(inner, {
      reserve: async (request) => {
        const result = await inner.reserve(request);
        const reservations = result.reservations.map((reservation) => {
          const token = make(reservation.job);
          newest.set(token, reservation);
          return { job: fieldsOf(reservation.job), token };
        });
        return { ...result, reservations };
      },
      finish: (items) => inner.finish(items.map((item) => ({ ...item, reservation: current(item.reservation) }))),
      extend: (items) => inner.extend(items.map((item) => ({ ...item, reservation: current(item.reservation) }))),
    });
  };
