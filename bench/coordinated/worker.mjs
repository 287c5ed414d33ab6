import { createJob, Worker } from "../../dist/entry/index.js";
import { openQueue } from "./stores.mjs";

/** So many jobs of its own before it is ready: what is measured is not how its code is compiled. */
const WARM_UP = 3_000;

/** One of several processes that empty a queue. It says when it is ready; after a first message it tells how many jobs it has done, until a second. */
const [store, url, place, concurrency] = process.argv.slice(2);
const queue = await openQueue(store, url, place);
let done = 0;
const worker = new Worker(queue, "bench", () => undefined, { concurrency: Number(concurrency) });
worker.on("completed", () => (done += 1));
process.once("message", () => void go());
await warmUp();
process.send("ready");

async function warmUp() {
  const own = `warm-${process.pid}`;
  await queue.pushBatch(Array.from({ length: WARM_UP }, () => createJob("x".repeat(200), { queue: own })));
  let left = WARM_UP;
  const warming = new Worker(queue, own, () => undefined, { concurrency: Number(concurrency) });
  const ended = new Promise((resolve) => warming.on("completed", () => (left -= 1) === 0 && resolve()));
  await warming.start();
  await ended;
  await warming.stop();
}

async function go() {
  process.once("message", () => void end());
  await worker.start();
  let told = 0;
  // Each message costs as much as a job.
  setInterval(() => told < done && process.send((told = done)), 20);
}

async function end() {
  await worker.stop();
  await queue.close();
  process.exit(0);
}
