/** A worker that writes down what it ran, until it is killed or told to end. Arguments: URL, prefix, file. */
import { appendFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { Worker } from "../../src/entry/index.ts";
import { rabbitmqQueue } from "../../src/entry/rabbitmq.ts";

const [, , url = "", prefix = "", file = ""] = process.argv;
const logger = { debug() {}, info() {}, warn() {}, error() {} };
const queue = rabbitmqQueue(url, { prefix, settle: 0, answerTimeout: "3s", logger });
const worker = new Worker(
  queue,
  { work: 2, mails: 1 },
  async (job) => {
    appendFileSync(file, `${job.id} ${job.attempts} ${job.losses}\n`);
    await new Promise((resolve) => setTimeout(resolve, 10));
    if (job.tags["throws"] === "once" && job.attempts - job.losses === 1) throw new Error("once");
    appendFileSync(file, `${job.id} ran\n`);
  },
  { concurrency: 5, maxAttempts: 3, backoff: 200 },
);
worker.on("error", () => undefined);
worker.on("failed", () => undefined);
const stop = new AbortController();
process.once("SIGTERM", () => stop.abort());
// A test that ran out of time kills nobody any more.
process.once("disconnect", () => process.exit(1));
const isOpen = (): Promise<boolean> =>
  queue.open().then(
    () => true,
    () => false,
  );
// The server may be down at the start: a worker that ended then would be missing for good.
while (!stop.signal.aborted && !(await isOpen())) await pause(100);
if (!stop.signal.aborted) await worker.run(stop.signal);
await queue.close();
process.removeAllListeners("disconnect");
process.disconnect();
