import { Worker } from "../../dist/entry/index.js";
import { openQueue } from "./stores.mjs";

/** One of several processes that empty a queue. It says when it is ready; after a first message it tells how many jobs it has done, until a second. */
const [store, url, place, concurrency] = process.argv.slice(2);
const queue = await openQueue(store, url, place);
let done = 0;
const worker = new Worker(queue, "bench", () => undefined, { concurrency: Number(concurrency) });
worker.on("completed", () => (done += 1));
process.once("message", () => void go());
process.send("ready");

async function go() {
  process.once("message", () => void end());
  await worker.start();
  setInterval(() => process.send(done), 5);
}

async function end() {
  await worker.stop();
  await queue.close();
  process.exit(0);
}
