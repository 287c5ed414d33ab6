/** A worker with five slots. The job "poison" kills its process; every start of a job is written down before that. Arguments: URL, log, how many ms the poison waits (none: before its handler returns). */
import { appendFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { Queue, Worker } from "../../../src/entry/index.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { driverFor } from "../../chaos/targets.ts";

export const SLOTS = 5;

const [, , url = "", log = "", poisonMs = ""] = process.argv;
const queue = new Queue(await driverFor(url), { logger: silentLogger });

function handle({ id, losses }: Readonly<{ id: string; losses: number }>): Promise<void> {
  appendFileSync(log, `${process.pid} ${id} ${losses}\n`);
  if (!id.startsWith("poison")) return pause(20);
  if (poisonMs === "") process.kill(process.pid, "SIGKILL");
  return pause(Number(poisonMs)).then(() => void process.kill(process.pid, "SIGKILL"));
}

const worker = new Worker(queue, "default", handle, { concurrency: SLOTS, lease: "2s" });
worker.on("error", () => undefined);
worker.on("dead", () => undefined);
// A test that ran out of time leaves nobody behind.
const told = new AbortController();
process.once("disconnect", () => told.abort());
await worker.run(told.signal);
await queue.close();
