import assert from "node:assert/strict";
import type { Driver, Logger } from "../../../src/contract/index.ts";
import { Queue, type QueueOptions, type Reserve, type ReservedJob } from "../../../src/core/index.ts";
import { isJobferryError } from "../../../src/errors/index.ts";
import { type VirtualClock, virtualClock } from "../../../src/testing/virtual-clock.ts";

export type Line = Readonly<{ level: string; fields: object; message: string }>;

export function recordingLogger(): Readonly<{ logger: Logger; lines: Line[] }> {
  const lines: Line[] = [];
  const at =
    (level: string) =>
    (fields: object, message: string): void =>
      void lines.push({ level, fields, message });
  return { logger: { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") }, lines };
}

export type Stage<D extends Driver<never>> = Readonly<{
  driver: D;
  queue: Queue<string>;
  clock: VirtualClock;
  lines: Line[];
}>;

/** A queue on a virtual clock with a log that is read instead of printed. */
export function stageOn<D extends Driver<string>>(driver: D, options: QueueOptions = {}): Stage<D> {
  const clock = virtualClock();
  const { logger, lines } = recordingLogger();
  return { driver, queue: new Queue<string>(driver, { clock, logger, ...options }), clock, lines };
}

export async function popOne(queue: Queue<string> | Queue, options?: Reserve): Promise<ReservedJob> {
  const job = await queue.pop(options);
  assert.ok(job, "a job is there");
  return job;
}

/** The code of what it rejects with or throws; "resolved" when it does not. */
export async function codeOf(act: Promise<unknown> | (() => unknown)): Promise<string> {
  try {
    await (typeof act === "function" ? act() : act);
  } catch (error) {
    return isJobferryError(error) ? error.code : `no JobferryError: ${String(error)}`;
  }
  return "resolved";
}

export async function errorOf(act: Promise<unknown> | (() => unknown)): Promise<Error> {
  try {
    await (typeof act === "function" ? act() : act);
  } catch (error) {
    assert.ok(error instanceof Error);
    return error;
  }
  throw new Error("it did not throw");
}

/** Lets promises go on without time going on. */
export async function settle(clock: VirtualClock): Promise<void> {
  await clock.advance(0);
}
