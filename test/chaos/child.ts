/** What every process of a run starts with: its settings, its log and its queue. */
import { flushCompileCache } from "node:module";
import { setTimeout as pause } from "node:timers/promises";
import type { Clock, Logger } from "../../src/contract/index.ts";
import { isJobferryError, Queue } from "../../src/entry/index.ts";
import { type Duration, systemClock } from "../../src/runtime/index.ts";
import type { Mix } from "./job-plan.ts";
import type { LogWriter } from "./log.ts";
import { loggingDriver } from "./logging-driver.ts";
import { sharedClock } from "./shared-clock.ts";
import { driverFor } from "./targets.ts";
import { watchStalls } from "../stalls/watch-stalls.ts";
import { isWrongDriver, wrongDriver } from "./wrong-drivers.ts";

export type Settings = Readonly<{
  url: string;
  /** Of the logs. */
  folder: string;
  name: string;
  /** The file of the wall clock that can be set; the machine's own without it. */
  clockFile?: string | undefined;
  keepsCompleted: boolean;
  sessionTtl?: Duration | undefined;
  /** A driver that is wrong on purpose, around the right one. */
  wrong?: string | undefined;
}>;

export type ProducerSettings = Settings &
  Readonly<{
    mix: Mix;
    delays: boolean;
    maxLosses: number;
    /** Jobs pushed at once, as a batch and a few single ones. */
    burst: number;
    /** Into one queue, of one priority. */
    oneQueue?: boolean;
    pauseMs: number;
    /** Ends by itself after so many. */
    most: number;
  }>;

export type WorkerSettings = Settings & Readonly<{ leaseMs: number; concurrency: number; popBatch?: number }>;

export function settingsFromArguments<S extends Settings>(): S {
  return JSON.parse(process.argv[2] ?? "") as S;
}

export function clockFor(settings: Pick<Settings, "clockFile">): Clock {
  return settings.clockFile === undefined ? systemClock : sharedClock(settings.clockFile);
}

/** Warnings and errors of the library are part of the log. */
function loggerInto(log: LogWriter): Logger {
  const write = (fields: object, message: string): void => {
    const code = "code" in fields ? String(fields.code) : "LOGGED";
    log.write({ type: "error", code, message });
  };
  return { debug: () => undefined, info: () => undefined, warn: write, error: write };
}

export async function openQueue(settings: Settings, log: LogWriter): Promise<Queue> {
  const clock = clockFor(settings);
  const right = await driverFor(settings.url, settings.sessionTtl);
  const driver = isWrongDriver(settings.wrong) ? wrongDriver(settings.wrong, right, settings.url) : right;
  const queue = new Queue(loggingDriver(driver, log, clock), {
    ...{ clock, logger: loggerInto(log) },
    keepCompleted: settings.keepsCompleted,
  });
  await opened(queue, clock);
  // One that is killed writes none at its end. Where all of it came from there this does nothing.
  flushCompileCache();
  return queue;
}

/** Of a process that holds leases: resolves when its stalls are written down. */
export async function logStalls(log: LogWriter): Promise<void> {
  await watchStalls(({ from, until }) => log.write({ type: "stalled", since: from, until }));
}

const OPEN_MS = 60_000;
const AGAIN_MS = 200;

/** Whoever starts while the store is away is started again by whatever starts it. */
async function opened(queue: Queue, clock: Clock): Promise<Queue> {
  const giveUpAt = clock.monotonic() + OPEN_MS;
  for (;;) {
    try {
      return await queue.open();
    } catch (error) {
      if (!isJobferryError(error) || !error.retryable || clock.monotonic() > giveUpAt) throw error;
      await pause(AGAIN_MS);
    }
  }
}

/** The parent's wish to end in good order; also when the parent is gone. */
export function untilTold(): AbortSignal {
  const told = new AbortController();
  const end = (): void => told.abort();
  process.once("SIGTERM", end);
  process.once("disconnect", end);
  return told.signal;
}
