import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";
import { sqliteDriver } from "../../../src/drivers/sqlite/index.ts";
import type { SqliteDatabase, SqliteDriverOptions } from "../../../src/drivers/sqlite/index.ts";
import type { Driver, DriverContext, PushItem, Reservation } from "../../../src/contract/index.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";
import type { VirtualClock } from "../../../src/testing/virtual-clock.ts";

export const KEEP_ALL = { count: Infinity, ageMs: Infinity };
export const KEEP_NONE = { count: 0, ageMs: Infinity };
export const FAILURE = { code: "HANDLER_FAILED", name: "Error", message: "no", stack: undefined };

const folders: string[] = [];
const drivers: Driver<SqliteDatabase>[] = [];

export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "jobferry-sqlite-"));
  folders.push(folder);
  return folder;
}

export const newPath = (): string => join(newFolder(), "jobs.db");

export function contextOf(clock: VirtualClock, retention: Partial<DriverContext["retention"]> = {}): DriverContext {
  return { clock, logger: silentLogger, retention: { completed: KEEP_NONE, failed: KEEP_ALL, ...retention } };
}

/** An open driver on a virtual clock, closed after the test. */
export async function openDriver(
  options: SqliteDriverOptions,
  clock: VirtualClock = virtualClock(),
  retention: Partial<DriverContext["retention"]> = {},
): Promise<Driver<SqliteDatabase>> {
  const driver = sqliteDriver(options);
  drivers.push(driver);
  await driver.open(contextOf(clock, retention));
  return driver;
}

let made = 0;

export function item(changes: Partial<PushItem> = {}): PushItem {
  made += 1;
  return {
    id: `job-${made}`,
    sequence: undefined,
    queue: "work",
    name: "default",
    priority: 0,
    tags: {},
    delayMs: 0,
    runAt: undefined,
    maxLosses: 3,
    createdAt: 1_000,
    envelope: new Uint8Array([1, 2]),
    payload: new Uint8Array([3]),
    ...changes,
  };
}

export async function take(driver: Driver<SqliteDatabase>, max = 1, leaseMs = 10_000): Promise<readonly Reservation[]> {
  return (await driver.reserve({ queues: ["work"], max, leaseMs, waitMs: 0 })).reservations;
}

afterEach(async () => {
  for (const driver of drivers.splice(0)) await driver.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});
