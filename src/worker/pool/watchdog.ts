import { Worker } from "node:worker_threads";
import { Deferred } from "../../runtime/index.ts";

const EXTENSION = import.meta.url.endsWith(".ts") ? "ts" : "js";

/**
 * Ends this process when its parent is gone. "disconnect" tells that too, but not to a handler that blocks the event loop, so a thread
 * of its own looks. Resolves when it does: jobs come later. Rejected: the operating system's parent-death signal, which Node.js does not
 * offer and only Linux has.
 */
export function watchParent(parentPid: number): Promise<void> {
  const watching = new Deferred();
  const watchdog = new Worker(new URL(`./watchdog-main.${EXTENSION}`, import.meta.url), {
    name: "jobferry-watchdog",
    workerData: { parentPid },
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1 },
  });
  watchdog.once("message", watching.resolve);
  watchdog.once("error", watching.reject);
  watchdog.unref();
  return watching.promise;
}
