// JavaScript, because a thread that has no types to strip costs a third of the processor time. See watch-stalls.ts.
import { parentPort } from "node:worker_threads";

const EVERY_MS = 50;
/** Later than timers are on a machine that is only busy. */
const LATE_MS = 100;

const now = () => Number(process.hrtime.bigint()) / 1e6;

let due = now() + EVERY_MS;
let timer = setTimeout(look, EVERY_MS);

function look() {
  clearTimeout(timer);
  const until = now();
  if (until - due > LATE_MS) parentPort?.postMessage({ from: due, until });
  due = until + EVERY_MS;
  timer = setTimeout(look, EVERY_MS);
}

// Asked for what it knows up to now: stalls come before the answer.
parentPort?.on("message", () => {
  look();
  parentPort?.postMessage("looked");
});
parentPort?.postMessage("watches");
