// A whole driver: jobs in an array, leases by time, and an honest list of what it cannot do.
import { isJobferryError, JobferryError, sleep, UnsupportedError } from "jobferry/driver";
import type { Capabilities, Clock, Driver, PushItem, ReserveRequest, ReserveResult, StoredJob } from "jobferry/driver";

/** `leaseEnd` is monotonic: a step of the wall clock ends no lease. A token is never given out twice. */
type Row = { job: StoredJob; token: number; leaseEnd: number; readonly maxLosses: number };

const MAX_BYTES = 1024 * 1024;
const POLL_MS = 50;
const no = "unsupported";

const capabilities: Capabilities = {
  ...{ durability: "process", shared: false, pushById: true, attempts: "exact", refund: true, fifo: true },
  ...{ finish: "confirmed", release: "native", records: false, failedJobs: true, transactions: false },
  priority: { support: no, order: "approximate", min: 0, max: 0 },
  delay: { support: no, precisionMs: 0, maxMs: 0 },
  lease: { ends: "deadline", grainMs: 0, minMs: 1, extend: "native" },
  batch: { atomic: 1_000, maxItems: 1_000, maxBytes: 64 * MAX_BYTES },
  payload: { maxBytes: MAX_BYTES },
  wakeup: { kind: "poll", pollMs: POLL_MS },
  pause: { support: no, lagMs: 0 },
  clear: { support: no, counts: false },
  stats: { pending: "exact", delayed: "none", reserved: "exact", failed: "exact", completed: "exact" },
  coordination: false,
};

export function minimalDriver(): Driver {
  let clock: Clock;
  let tokens = 0;
  let died: StoredJob[] = [];
  let rows: Row[] = []; // In the order in which they became pending.
  const completed = new Map<string, number>();
  const closing = new AbortController();

  /** The row that a reservation still holds: the token alone decides. */
  const heldBy = (token: unknown): Row | undefined =>
    rows.find((row) => row.token === token && row.job.state === "reserved");

  const change = (row: Row, job: Partial<StoredJob>): void => void (row.job = { ...row.job, ...job });

  const remove = (row: Row): void => void (rows = rows.filter((other) => other !== row));

  /** Back behind those that are ready. */
  const release = (row: Row, job: Partial<StoredJob>): void => {
    remove(row);
    rows.push(row);
    change(row, { ...job, state: "pending", availableAt: clock.now(), reservedAt: undefined });
  };

  const lose = (row: Row): void => {
    release(row, { losses: row.job.losses + 1 });
    if (row.job.losses < row.maxLosses) return;
    const failure = { code: "LEASE_EXPIRED", name: "JobferryError", message: "lost too often", stack: undefined };
    change(row, { state: "failed", finishedAt: clock.now(), failure });
    died.push(row.job);
  };

  const recover = (): number => {
    const overdue = rows.filter(({ job, leaseEnd }) => job.state === "reserved" && leaseEnd <= clock.monotonic());
    for (const row of overdue) lose(row);
    return overdue.filter(({ job }) => job.state === "pending").length;
  };

  const takeDied = (): readonly StoredJob[] => died.splice(0);

  /** Atomic, because nothing in it waits. */
  const claim = ({ queues, max, free = max, leaseMs, signal }: ReserveRequest): ReserveResult => {
    recover();
    const claimedAt = clock.monotonic();
    const isOver = closing.signal.aborted || signal?.aborted === true;
    const ready = queues.flatMap((queue) => rows.filter(({ job }) => job.queue === queue && job.state === "pending"));
    let withLosses = 0;
    const end = ready.findIndex(({ job }) => job.losses > 0 && (withLosses += 1) > free);
    const taken = ready.slice(0, isOver ? 0 : Math.min(max, end === -1 ? max : end));
    for (const row of taken) {
      row.token = tokens += 1;
      row.leaseEnd = claimedAt + leaseMs;
      change(row, { state: "reserved", attempts: row.job.attempts + 1, reservedAt: clock.now() });
    }
    const reservations = taken.map(({ job, token }) => ({ job, token }));
    return { reservations, died: takeDied(), nextDueInMs: undefined, claimedAt };
  };

  const refusal = ({ payload, priority, runAt, delayMs }: PushItem): JobferryError | undefined => {
    if (payload.length > MAX_BYTES) return new JobferryError("PAYLOAD_TOO_LARGE", `The limit is ${MAX_BYTES} bytes.`);
    if (priority !== 0) return new UnsupportedError("priority", "The only priority is 0.");
    const isDelayed = runAt === undefined ? delayMs > 0 : runAt > clock.now();
    return isDelayed ? new UnsupportedError("delay", "Jobs cannot be delayed.") : undefined;
  };

  const unsupported = (what: string) => async (): Promise<never> => {
    throw new UnsupportedError(what, `This driver has no ${what}.`);
  };

  return {
    name: "minimal",
    open: async (context) => {
      clock = context.clock;
      return capabilities;
    },
    close: async () => closing.abort(),
    classify: (error) => (isJobferryError(error) ? error : { code: "UNEXPECTED", retryable: false }),
    push: async (jobs, options) => {
      if (options?.transaction !== undefined) throw new UnsupportedError("transactions", "There are no transactions.");
      if (closing.signal.aborted) throw new JobferryError("CLOSED", "This driver is closed.");
      return jobs.map((item) => {
        const error = refusal(item);
        if (error !== undefined) return { status: "refused", error };
        if (rows.some(({ job }) => job.id === item.id)) return { status: "exists" };
        rows.push({ job: pendingJob(item, clock.now()), token: 0, leaseEnd: 0, maxLosses: item.maxLosses });
        return { status: "stored" };
      });
    },
    reserve: async (request) => {
      const end = clock.monotonic() + request.waitMs;
      const stop = AbortSignal.any([closing.signal, ...(request.signal === undefined ? [] : [request.signal])]);
      for (;;) {
        const result = claim(request);
        const left = end - clock.monotonic();
        if (stop.aborted || left <= 0 || result.reservations.length > 0 || result.died.length > 0) return result;
        await sleep(clock, Math.min(POLL_MS, left), stop);
      }
    },
    finish: async (items) =>
      items.map((item) => {
        const row = heldBy(item.reservation.token);
        if (row === undefined) return "lost";
        const { attempts, exceptions, failure } = row.job;
        if (item.outcome === "release" && item.delayMs > 0) throw new UnsupportedError("delay", "No delays.");
        if (item.outcome === "done") {
          remove(row);
          completed.set(row.job.queue, (completed.get(row.job.queue) ?? 0) + 1);
          return "ok";
        }
        const threw = exceptions + (item.threw === true ? 1 : 0);
        change(row, { exceptions: threw, failure: item.failure ?? failure });
        if (item.outcome === "fail") change(row, { state: "failed", finishedAt: clock.now() });
        else if (item.loss === true) lose(row);
        else release(row, { attempts: attempts - (item.refund === true ? 1 : 0) });
        return "ok";
      }),
    extend: async (items) =>
      items.map(({ reservation, leaseMs }) => {
        const row = heldBy(reservation.token);
        if (row !== undefined) row.leaseEnd = clock.monotonic() + leaseMs;
        return row === undefined ? "lost" : "ok";
      }),
    maintain: async () => ({ promoted: 0, recovered: recover(), pruned: 0, died: takeDied(), nextDueInMs: undefined }),
    queues: async () => [...new Set([...completed.keys(), ...rows.map(({ job }) => job.queue)])],
    stats: async (queue) => {
      const own = rows.map(({ job }) => job).filter((job) => queue === undefined || job.queue === queue);
      const count = (state: string): number => own.filter((job) => job.state === state).length;
      const done = [...completed].filter(([name]) => queue === undefined || name === queue);
      return {
        ...{ pending: count("pending"), delayed: undefined, reserved: count("reserved"), failed: count("failed") },
        completed: done.reduce((sum, [, number]) => sum + number, 0),
        oldestPendingAt: own.find((job) => job.state === "pending")?.availableAt,
        paused: false,
      };
    },
    clear: unsupported("clear"),
    pause: unsupported("pause"),
    resume: unsupported("pause"),
  };
}

function pendingJob(item: PushItem, now: number): StoredJob {
  const { id, queue, name, priority, tags, createdAt, envelope, payload } = item;
  const counts = { attempts: 0, losses: 0, exceptions: 0 };
  const later = { reservedAt: undefined, finishedAt: undefined, failure: undefined, result: undefined };
  const kept = { id, queue, name, priority, tags, createdAt, envelope, payload };
  return { item: undefined, ...kept, ...counts, ...later, state: "pending", availableAt: now };
}
