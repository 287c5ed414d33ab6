/** Servers, clients and queues of the tests in this folder. */
import { setTimeout as pause } from "node:timers/promises";
import { connect } from "amqplib";
import type { Capabilities, Driver, PushItem, Reservation } from "../../src/contract/index.ts";
import { rabbitmqDriver } from "../../src/drivers/rabbitmq/index.ts";
import type { RabbitmqDriverOptions } from "../../src/drivers/rabbitmq/index.ts";
import { silentLogger, systemClock } from "../../src/runtime/index.ts";
import { freshPrefix } from "./target.ts";

export const BOTH = ["rabbitmq", "rabbitmq-4"] as const;

const KEEP = { count: Infinity, ageMs: Infinity };

export type Opened = Readonly<{ driver: Driver; capabilities: Capabilities; prefix: string }>;

export async function opened(options: RabbitmqDriverOptions): Promise<Opened> {
  const prefix = options.prefix ?? freshPrefix();
  const driver = rabbitmqDriver({ settle: 0, ...options, prefix });
  const retention = { completed: KEEP, failed: KEEP };
  try {
    const capabilities = await driver.open({ clock: systemClock, logger: silentLogger, retention });
    return { driver, capabilities, prefix };
  } catch (error) {
    await driver.close();
    throw error;
  }
}

let made = 0;

export function item(changes: Partial<PushItem> = {}): PushItem {
  made += 1;
  return {
    ...{ id: `job-${made}`, sequence: undefined, queue: "work", name: "default", priority: 0, tags: {} },
    ...{ delayMs: 0, runAt: undefined, maxLosses: 3, createdAt: Date.now() },
    ...{ envelope: new Uint8Array(0), payload: Buffer.from(`payload ${made}`) },
    ...changes,
  };
}

export async function takeOne(driver: Driver, waitMs = 5_000, queue = "work"): Promise<Reservation> {
  const { reservations } = await driver.reserve({ queues: [queue], max: 1, leaseMs: 30_000, waitMs });
  const [only] = reservations;
  if (only === undefined) throw new Error(`no job came within ${waitMs} ms`);
  return only;
}

/** Everything that can be had, finished. */
export async function drain(driver: Driver, queue = "work"): Promise<readonly string[]> {
  const ids: string[] = [];
  for (;;) {
    const { reservations } = await driver.reserve({ queues: [queue], max: 100, leaseMs: 30_000, waitMs: 300 });
    if (reservations.length === 0) return ids;
    ids.push(...reservations.map(({ job }) => job.id));
    await driver.finish(reservations.map((reservation) => ({ reservation, outcome: "done" })));
  }
}

/** Declares the queue, and leaves no job and no consumer there: the first declarations of a prefix take long on a busy machine. */
export async function makeQueue(driver: Driver, queue = "work"): Promise<void> {
  await driver.push([item({ queue })]);
  await driver.finish([{ reservation: await takeOne(driver, 10_000, queue), outcome: "done" }]);
}

/** The call's result, when it works again. */
export async function untilWorks<T>(call: () => Promise<T>, withinMs: number): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (performance.now() > end) throw error;
      await pause(50);
    }
  }
}

/** What an error of the driver means: its own code, or its classification. */
export async function codeOf(driver: Driver, call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "no error",
    (error: unknown) => driver.classify(error).code,
  );
}

/** A channel of the newest amqplib, beside the driver. */
export async function beside(url: string): Promise<
  Readonly<{
    channel: Awaited<ReturnType<Awaited<ReturnType<typeof connect>>["createConfirmChannel"]>>;
    close: () => Promise<void>;
  }>
> {
  const client = await connect(url);
  client.on("error", () => undefined);
  const channel = await client.createConfirmChannel();
  channel.on("error", () => undefined);
  return { channel, close: () => client.close() };
}
