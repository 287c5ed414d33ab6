/** One of many that claim from the same queue: pops batches and completes what it got, nothing else. */
import type { Queue, ReservedJob } from "../../src/entry/index.ts";
import { logStalls, openQueue, settingsFromArguments, untilTold, type WorkerSettings } from "./child.ts";
import { claims } from "./claim-counts.ts";
import { fingerprint, ONE_QUEUE } from "./job-plan.ts";
import { LogWriter } from "./log.ts";

const settings = settingsFromArguments<WorkerSettings>();
const log = new LogWriter(settings.folder, settings.name);

function logError(error: unknown): void {
  const code = error instanceof Error && "code" in error ? String(error.code) : "UNEXPECTED";
  log.write({ type: "error", code, message: String(error) });
}

async function run(job: ReservedJob): Promise<void> {
  log.write({ type: "run", id: job.id, sha: fingerprint(job) });
  log.write({ type: "ran", id: job.id });
  await job.complete();
}

async function claim(queue: Queue, signal: AbortSignal): Promise<readonly ReservedJob[]> {
  return queue.popBatch(settings.popBatch ?? 1, { queue: ONE_QUEUE, wait: "1s", lease: settings.leaseMs, signal });
}

const [queue] = await Promise.all([openQueue(settings, log), logStalls(log)]);
const told = untilTold();
process.send?.("ready");
while (!told.aborted) {
  const jobs = await claim(queue, told).catch((error: unknown) => {
    logError(error);
    return [];
  });
  await Promise.all(jobs.map((job) => run(job).catch(logError)));
}
await queue.close();
log.write({ type: "claims", ...claims });
log.write({ type: "fault", fault: "end", target: settings.name });
if (process.connected) process.disconnect();
