import { UnsupportedError } from "../errors/index.ts";
import { checkInteger, checkName, checkOptions } from "../runtime/index.ts";
import type { Engine } from "./engine.ts";
import { refuseUndefined } from "./explicit-undefined.ts";

export type RetryFailed = Readonly<{
  /** Default: all queues. */
  queue?: string;
  /** Default: all of them. */
  max?: number;
}>;

const CHUNK = 500;

/** Failed jobs as a whole, which also works where single ones cannot be looked up. */
export async function retryFailed(engine: Engine, options: RetryFailed): Promise<number> {
  checkOptions("retryFailed", options, ["queue", "max"]);
  refuseUndefined("retryFailed", options);
  const { queue } = options;
  if (queue !== undefined) checkName("queue", queue);
  const max = checkInteger("max", options.max ?? Number.MAX_SAFE_INTEGER, 1);
  await engine.ready();
  // A job that fails again meanwhile comes to the end: without a bound the two could chase each other for ever.
  const { failed } = await engine.call("stats", () => engine.driver.stats(queue));
  const most = Math.min(max, failed ?? max);
  const { records, deadLetters } = engine.driver;
  if (deadLetters !== undefined) return engine.call("retry", () => deadLetters.retry({ queue, max: most }));
  if (records === undefined) throw noFailedJobs(engine);
  // What could not be brought back may stand behind all others then: it is not looked at again either.
  let [done, looked] = [0, 0];
  let cursor: string | undefined;
  while (done < most && looked < (failed ?? Infinity)) {
    const page = { limit: Math.min(CHUNK, most - done), cursor };
    const found = await engine.call("retry", () => records.list(failedOf(queue), page));
    done += await engine.call("retry", () => records.retry(found.jobs.map(({ id }) => id)));
    looked += found.jobs.length;
    ({ cursor } = found);
    if (cursor === undefined) break;
  }
  return done;
}

export async function flushFailed(engine: Engine, queue: string | undefined): Promise<number> {
  await engine.ready();
  const { records, deadLetters } = engine.driver;
  if (deadLetters !== undefined) return engine.call("flush", () => deadLetters.flush(queue));
  if (records === undefined) throw noFailedJobs(engine);
  let done = 0;
  let cursor: string | undefined;
  do {
    const page = { limit: CHUNK, cursor };
    const found = await engine.call("flush", () => records.list(failedOf(queue), page));
    done += await engine.call("flush", () =>
      records.remove(
        found.jobs.map(({ id }) => id),
        "failed",
      ),
    );
    ({ cursor } = found);
  } while (cursor !== undefined);
  return done;
}

function failedOf(queue: string | undefined): Readonly<{ state: "failed"; queue?: string }> {
  return queue === undefined ? { state: "failed" } : { state: "failed", queue };
}

function noFailedJobs(engine: Engine): UnsupportedError {
  return new UnsupportedError("failedJobs", `${engine.driver.name} cannot bring failed jobs back or remove them.`);
}
