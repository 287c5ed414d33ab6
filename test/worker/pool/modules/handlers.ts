// TypeScript, routes by name: what the tests of pools ask of a child.
import { appendFileSync } from "node:fs";
import { isMainThread, parentPort, threadId } from "node:worker_threads";
import { JobferryError, type Job, type JobContext, PermanentError } from "../../../../src/entry/index.ts";

type Handler = (job: never, context: JobContext) => unknown;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

function aborted({ signal }: JobContext): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve());
  });
}

function blockFor(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** A line for each start, with where it ran. */
function note(file: string, job: Job): void {
  appendFileSync(file, `${job.id} ${process.pid} ${job.attempts} ${job.losses}\n`);
}

const handlers: Readonly<Record<string, Handler>> = {
  where: () => ({ pid: process.pid, isMainThread, threadId, execArgv: process.execArgv }),
  seen: (job: Job) => ({
    ...(job as Job & { toJSON(): object }).toJSON(),
    bytes: job.bytes,
    payloadType: job.payload instanceof Uint8Array ? "bytes" : typeof job.payload,
  }),
  talks: () => {
    for (const message of ["ready", { kind: "ready" }, ["ready"], null]) {
      process.send?.(message);
      parentPort?.postMessage(message);
    }
    return "said";
  },
  sleep: async (job: Job<number>) => {
    await sleep(job.payload);
    return job.payload;
  },
  block: (job: Job<{ ms: number; log: string }>) => {
    note(job.payload.log, job);
    blockFor(job.payload.ms);
  },
  await: async (job: Job<{ ms: number; log: string }>) => {
    note(job.payload.log, job);
    await sleep(job.payload.ms);
  },
  typeError: () => {
    throw Object.assign(new TypeError("no such thing"), { status: 404, cause: new Error("below") });
  },
  jobferryError: () => {
    throw new JobferryError("UNAVAILABLE", "the other side is away", { retryable: true });
  },
  permanent: () => {
    throw PermanentError.from(new RangeError("never again"));
  },
  text: () => {
    throw "just text"; // oxlint-disable-line no-throw-literal
  },
  getter: () => {
    throw {
      get message(): string {
        throw new Error("hostile");
      },
    };
  },
  notCloneable: () => ({ callback: () => 1 }),
  date: () => ({ at: new Date(5), map: new Map([[1, new Uint8Array([1, 2])]]) }),
  untilAborted: async (_job: Job, context: JobContext) => {
    await aborted(context);
    const { code, message } = context.signal.reason as JobferryError;
    throw new Error(`${code}: ${message}`, { cause: context.signal.reason });
  },
  // oxlint-disable-next-line typescript/unbound-method -- a context may be taken apart
  extend: async (job: Job<string>, { extend }: JobContext) => {
    await extend(job.payload as "1s");
    return "extended";
  },
  snooze: (job: Job<number>, context: JobContext) =>
    job.availableAt > job.createdAt ? job.attempts : context.snooze(5),
  retry: (job: Job, context: JobContext) => (job.attempts < 2 ? context.retry({ in: 1 }) : job.attempts),
  cancel: (_job: Job, context: JobContext) => context.cancel("not wanted"),
  ignoreSignal: async (job: Job<string>) => {
    note(job.payload, job);
    await sleep(60_000);
  },
  /** Waits until the test has killed its process the first time. */
  once: async (job: Job<string>) => {
    note(job.payload, job);
    if (job.losses === 0) await sleep(60_000);
    return { attempts: job.attempts, losses: job.losses };
  },
  exit: () => process.exit(7),
  exitOnce: (job: Job) => {
    if (job.losses === 0) process.exit(7);
    throw new Error("the budget is not used up by a death");
  },
  uncaught: async () => {
    void Promise.reject(new RangeError("nobody caught me"));
    await sleep(60_000);
  },
};

export default Object.entries(handlers).map(([name, handler]) => ({
  name,
  handler,
}));
