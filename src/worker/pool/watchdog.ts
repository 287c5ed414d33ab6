import { Worker } from "node:worker_threads";

const EXTENSION = import.meta.url.endsWith(".ts") ? "ts" : "js";

/**
 * Ends this process when its parent is gone. "disconnect" tells that too, but not to a handler that blocks the event loop, so a thread
 * of its own looks. Rejected: the operating system's parent-death signal, which Node.js does not offer and only Linux has.
 */
export function watchParent(parentPid: number): void {
  const watchdog = new Worker(new URL(`./watchdog-main.${EXTENSION}`, import.meta.url), {
    name: "jobferry-watchdog",
    workerData: { parentPid },
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1 },
  });
  watchdog.on("error", () => undefined); // without it only a busy orphan lives longer
  watchdog.unref();
}
