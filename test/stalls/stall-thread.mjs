// JavaScript, because a thread that has no types to strip costs a third of the processor time. See watch-stalls.ts.
import { parentPort } from "node:worker_threads";

const EVERY_MS = 50;
/** Later than timers are on a machine that is only busy. */
const LATE_MS = 100;

const now = () => Number(process.hrtime.bigint()) / 1e6;

function sleep() {
  const due = now() + EVERY_MS;
  setTimeout(() => {
    const until = now();
    if (until - due > LATE_MS) parentPort?.postMessage({ from: due, until });
    sleep();
  }, EVERY_MS);
}

parentPort?.postMessage("watches");
sleep();
