/** A producer of a chaos run: bursts of mixed jobs, most of them in batches, each written down before and after its push. */
import { setTimeout as pause } from "node:timers/promises";
import { createHash } from "node:crypto";
import { BatchError, type Queue } from "../../src/entry/index.ts";
import { openQueue, type ProducerSettings, settingsFromArguments, untilTold } from "./child.ts";
import { planner, type Planned } from "./job-plan.ts";
import { LogWriter } from "./log.ts";

const settings = settingsFromArguments<ProducerSettings>();
const log = new LogWriter(settings.folder, settings.name);
const seed = createHash("sha1").update(settings.name).digest().readUInt32LE();
let batches = 0;

function plan(count: number, batch?: string): readonly Planned[] {
  return Array.from({ length: count }, () => next(batch));
}

async function pushBatch(queue: Queue, count: number): Promise<void> {
  batches += 1;
  const planned = plan(count, `${settings.name}/${batches}`);
  log.write(...planned.map(({ line }) => line));
  try {
    const stored = await queue.pushBatch(planned.map(({ job }) => job));
    log.write({ type: "pushed", ids: stored.map(({ id }) => id) });
  } catch (error) {
    const stored = error instanceof BatchError ? error.stored.map(({ id }) => id) : [];
    log.write({ type: "pushed", ids: stored });
    log.write({
      type: "notPushed",
      ids: planned.map(({ job }) => job.id).filter((id) => !stored.includes(id)),
      why: String(error),
    });
  }
}

async function pushSingles(queue: Queue, count: number): Promise<void> {
  const pushes = plan(count).map(async ({ job, line }) => {
    log.write(line);
    try {
      await queue.push(job);
      log.write({ type: "pushed", ids: [job.id] });
    } catch (error) {
      log.write({ type: "notPushed", ids: [job.id], why: String(error) });
    }
  });
  await Promise.all(pushes);
}

const queue = await openQueue(settings, log);
const next = planner(seed, { ...settings, priority: queue.capabilities.priority });
const told = untilTold();
for (let pushed = 0; pushed < settings.most && !told.aborted; pushed += settings.burst) {
  const singles = Math.min(3, settings.burst - 1);
  await Promise.all([pushBatch(queue, settings.burst - singles), pushSingles(queue, singles)]);
  // Faults begin with the second burst: a producer that is killed before it has pushed anything proves nothing.
  if (pushed === 0) process.send?.("ready");
  await pause(settings.pauseMs, undefined, { signal: told }).catch(() => undefined);
}
await queue.close();
log.write({ type: "fault", fault: "end", target: settings.name });
if (process.connected) process.disconnect();
