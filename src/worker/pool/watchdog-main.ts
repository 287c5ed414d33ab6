import { parentPort, workerData } from "node:worker_threads";
import { systemClock } from "../../runtime/system-clock.ts";

const PERIOD_MS = 250;
const { parentPid } = workerData as { readonly parentPid: number };

/** On POSIX an orphan gets another parent; on Windows it keeps the number of one that is gone. */
function orphaned(): boolean {
  if (process.ppid !== parentPid) return true;
  try {
    process.kill(parentPid, 0);
    return false;
  } catch (error) {
    return (error as { readonly code?: unknown }).code === "ESRCH"; // EPERM: alive, and somebody else's
  }
}

function watch(): void {
  if (orphaned()) process.kill(process.pid, "SIGKILL");
  systemClock.timer(PERIOD_MS, watch);
}

watch();
parentPort?.postMessage("watching");
