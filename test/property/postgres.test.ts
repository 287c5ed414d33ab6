import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import type { Driver } from "../../src/contract/index.ts";
import { postgresDriver } from "../../src/drivers/postgres/index.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { type VirtualClock, virtualClock } from "../../src/testing/virtual-clock.ts";
import { type Database, makeDatabase } from "../postgres/database.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { Wrong } from "./model.ts";
import { type Operation, operation, Run } from "./operations.ts";

const RETENTION = { completed: { count: 0, ageMs: Infinity }, failed: { count: Infinity, ageMs: Infinity } };
const SCHEMA = "model";
const TIMED = ["push", "reserve", "finish", "extend", "maintain"] as const;

/** The server's clock in these tests is a row, which each call sets first: the functions read the time in one place. */
async function prepare(database: Database): Promise<void> {
  const driver = postgresDriver({ url: database.url, schema: SCHEMA });
  await driver.open({ clock: virtualClock(), logger: silentLogger, retention: RETENTION });
  await driver.close();
  await database.query(`CREATE TABLE ${SCHEMA}.virtual_time (ms double precision)`);
  await database.query(`INSERT INTO ${SCHEMA}.virtual_time VALUES (0)`);
  await database.query(
    `CREATE OR REPLACE FUNCTION ${SCHEMA}.clock_ms() RETURNS double precision LANGUAGE sql VOLATILE AS 'SELECT ms FROM ${SCHEMA}.virtual_time'`,
  );
}

function onVirtualTime(driver: Driver, database: Database, clock: VirtualClock): void {
  const setTime = (): Promise<unknown> => database.query(`UPDATE ${SCHEMA}.virtual_time SET ms = ${clock.now()}`);
  for (const method of TIMED) {
    const real = driver[method].bind(driver) as (...args: unknown[]) => Promise<unknown>;
    Object.assign(driver, {
      [method]: async (...args: unknown[]) => {
        await setTime();
        return real(...args);
      },
    });
  }
  const { records } = driver;
  if (records === undefined) return;
  const retry = records.retry.bind(records);
  const promote = records.promote.bind(records);
  Object.assign(records, {
    retry: async (ids: readonly string[]) => (await setTime(), retry(ids)),
    promote: async (ids: readonly string[]) => (await setTime(), promote(ids)),
  });
}

async function play(database: Database, all: readonly Operation[], sabotage?: (driver: Driver) => void): Promise<void> {
  await database.query(`TRUNCATE ${SCHEMA}.jobs, ${SCHEMA}.counters, ${SCHEMA}.queues`);
  const clock = virtualClock();
  const driver = postgresDriver({ url: database.url, schema: SCHEMA, notify: false });
  await driver.open({ clock, logger: silentLogger, retention: RETENTION });
  onVirtualTime(driver, database, clock);
  sabotage?.(driver);
  try {
    const run = new Run(driver, clock);
    for (const one of all) await run.do(one);
    await run.end();
  } finally {
    await driver.close();
  }
}

const server = await sharedServer("postgres");
describe.runIf(server !== undefined)("postgres: any sequence of operations does what the model says", async () => {
  if (server === undefined) return;
  const database = await makeDatabase(server, "property");
  await prepare(database);
  afterAll(() => database.drop());
  const operations = fc.array(operation, { minLength: 1, maxLength: 60, size: "max" });

  // Some 4,000 calls of a server, whatever else the machine does.
  test("on a real server", { timeout: 180_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(operations, (all) => play(database, all)),
      { numRuns: 60 },
    );
  });

  test("a driver that gives half of a lease is found", async () => {
    const halve = (driver: Driver): void => {
      const reserve = driver.reserve.bind(driver);
      driver.reserve = async (request) => reserve({ ...request, leaseMs: request.leaseMs / 2 });
    };
    const found = await fc.check(
      fc.asyncProperty(operations, (all) => play(database, all, halve)),
      { numRuns: 100, endOnFailure: true, seed: 7 },
    );
    expect(found.errorInstance).toBeInstanceOf(Wrong);
  });
});
