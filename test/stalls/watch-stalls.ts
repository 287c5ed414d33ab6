/**
 * Tells when this process was not run: stolen time of a virtual machine, SIGSTOP, more processes than cores. What has a deadline cannot be blamed for what it could
 * not do meanwhile. A thread of its own looks, so that an event loop which is blocked, a fault of what runs there, is never taken for a stall.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Span } from "./spans.ts";

/**
 * `told`: of each time that a timer was late by more than 100 ms, by the machine's monotonic clock. Resolves when it watches, to what resolves when all until then was
 * told. Does not keep the process alive.
 */
export async function watchStalls(told: (stall: Span) => void): Promise<() => Promise<void>> {
  const thread = new Worker(new URL("stall-thread.mjs", import.meta.url), { execArgv: [] });
  await once(thread, "message");
  const looks: (() => void)[] = [];
  thread.on("message", (message: Span | "looked") => {
    if (message === "looked") looks.shift()?.();
    else told(message);
  });
  thread.unref();
  return () =>
    new Promise((resolve) => {
      looks.push(resolve);
      thread.postMessage("look");
    });
}
