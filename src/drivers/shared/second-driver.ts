import type { Driver, RecordStore } from "../../contract/index.ts";
import { isJobferryError, JobferryError } from "../../errors/index.ts";

/** What of a driver is used of a store that stands behind another one. */
export type SecondDriver = Readonly<
  Pick<Driver, "name" | "push" | "reserve" | "finish" | "maintain" | "queues" | "stats" | "clear" | "records">
>;

/** The driver, with errors in its own codes and under its own name: the store before it does not know them. */
export function toldAsSecond(driver: Driver): SecondDriver {
  const told = telling(driver);
  let records: RecordStore | undefined;
  return {
    name: driver.name,
    push: told((...args: Parameters<Driver["push"]>) => driver.push(...args)),
    reserve: told((...args: Parameters<Driver["reserve"]>) => driver.reserve(...args)),
    finish: told((...args: Parameters<Driver["finish"]>) => driver.finish(...args)),
    maintain: told((...args: Parameters<Driver["maintain"]>) => driver.maintain(...args)),
    queues: told(() => driver.queues()),
    stats: told((...args: Parameters<Driver["stats"]>) => driver.stats(...args)),
    clear: told((...args: Parameters<Driver["clear"]>) => driver.clear(...args)),
    get records() {
      records ??= driver.records && recordsOf(driver.records, told);
      return records;
    },
  };
}

type Tell = ReturnType<typeof telling>;

function recordsOf(records: RecordStore, told: Tell): RecordStore {
  return {
    get: told((...args: Parameters<RecordStore["get"]>) => records.get(...args)),
    list: told((...args: Parameters<RecordStore["list"]>) => records.list(...args)),
    remove: told((...args: Parameters<RecordStore["remove"]>) => records.remove(...args)),
    retry: told((...args: Parameters<RecordStore["retry"]>) => records.retry(...args)),
    promote: told((...args: Parameters<RecordStore["promote"]>) => records.promote(...args)),
  };
}

function telling(driver: Driver) {
  return <Args extends readonly unknown[], Result>(call: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      try {
        return await call(...args);
      } catch (error) {
        throw toldError(driver, error);
      }
    };
}

function toldError(driver: Driver, error: unknown): unknown {
  if (isJobferryError(error)) return error;
  const { code, retryable, message } = driver.classify(error);
  const why = message ?? (error instanceof Error ? error.message : String(error));
  return new JobferryError(code, `The store of records (${driver.name}) failed: ${why}`, { cause: error, retryable });
}
