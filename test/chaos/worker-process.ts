/** A worker of a chaos run: does with each job what the job says. */
import { setTimeout as pause } from "node:timers/promises";
import { type Job, type JobContext, Worker } from "../../src/entry/index.ts";
import { logStalls, openQueue, settingsFromArguments, untilTold, type WorkerSettings } from "./child.ts";
import { type Act, fingerprint, LINGER_MS } from "./job-plan.ts";
import { LogWriter } from "./log.ts";

const settings = settingsFromArguments<WorkerSettings>();
const log = new LogWriter(settings.folder, settings.name);
const snoozed = new Set<string>();

async function handle(job: Job, context: JobContext): Promise<unknown> {
  log.write({ type: "run", id: job.id, sha: fingerprint(job) });
  const outcome = await act(job, context);
  if (outcome === undefined) log.write({ type: "ran", id: job.id });
  return outcome;
}

async function act(job: Job, context: JobContext): Promise<unknown> {
  const isFirst = job.attempts - job.losses === 1;
  switch (job.headers["act"] as Act) {
    case "returns":
      return undefined;
    case "lingers":
      return pause(LINGER_MS);
    case "throwsOnce":
      if (isFirst) throw new Error("once");
      return undefined;
    case "throws":
      throw new Error("always");
    case "retries":
      return isFirst ? context.retry({ in: 120 }) : undefined;
    case "snoozes":
      return snoozeOnce(job, context);
    case "cancels":
      return context.cancel("not wanted");
    case "timesOut":
      await pause(60_000, undefined, { signal: context.signal });
      return undefined;
    case "killsItself":
      poison(job);
      process.kill(process.pid, "SIGKILL");
      return pause(60_000);
    case "aborts":
      poison(job);
      return process.abort();
    case "eatsMemory":
      poison(job);
      return eatMemory();
  }
}

/** Once in each process: a snooze gives the attempt back, so the job cannot tell. */
function snoozeOnce(job: Job, context: JobContext): unknown {
  if (snoozed.has(job.id)) return undefined;
  snoozed.add(job.id);
  return context.snooze(150);
}

function poison({ headers }: Job): void {
  log.write({ type: "fault", fault: "poison", target: settings.name, why: headers["act"] ?? "" });
}

function eatMemory(): never {
  const held: unknown[] = [];
  for (;;) held.push(Array.from({ length: 100_000 }, (_, i) => `${i}`));
}

const [queue] = await Promise.all([openQueue(settings, log), logStalls(log)]);
const worker = new Worker(queue, { orders: 3, mails: 1, reports: 1 }, handle, {
  concurrency: settings.concurrency,
  lease: settings.leaseMs,
  abortGrace: 500,
  stopTimeout: "5s",
});
worker.on("error", ({ error }) => log.write({ type: "error", code: error.code, message: error.message }));
const told = untilTold();
process.send?.("ready");
await worker.run(told);
await queue.close();
log.write({ type: "fault", fault: "end", target: settings.name });
if (process.connected) process.disconnect();
