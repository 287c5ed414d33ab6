import type { Capabilities, Driver } from "../../contract/index.ts";

/** A driver that is open already, for a Queue that would open and close it. */
export function heldOpen(driver: Driver, capabilities: Capabilities): Driver {
  return {
    name: driver.name,
    keeps: driver.keeps,
    open: async () => capabilities,
    close: async () => undefined,
    classify: (error) => driver.classify(error),
    push: (jobs, options) => driver.push(jobs, options),
    reserve: (request) => driver.reserve(request),
    finish: (items) => driver.finish(items),
    extend: (items) => driver.extend(items),
    maintain: (options) => driver.maintain(options),
    queues: () => driver.queues(),
    stats: (queue) => driver.stats(queue),
    clear: (queue) => driver.clear(queue),
    pause: (queue) => driver.pause(queue),
    resume: (queue) => driver.resume(queue),
    records: driver.records,
    deadLetters: driver.deadLetters,
    coordination: driver.coordination,
  };
}
