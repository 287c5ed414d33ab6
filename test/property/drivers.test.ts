import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type {
  CoordinationStore,
  Driver,
  FinishItem,
  FinishResult,
  ReserveRequest,
  ReserveResult,
} from "../../src/contract/index.ts";
import { coordinatedDriver } from "../../src/drivers/coordinated/index.ts";
import { MemoryCoordination, memoryCoordinationStore } from "../../src/drivers/memory/coordination-store.ts";
import { memoryDriver } from "../../src/drivers/memory/memory-driver.ts";
import { redisDriver } from "../../src/drivers/redis/index.ts";
import { sqliteDriver } from "../../src/drivers/sqlite/index.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { virtualClock } from "../../src/testing/virtual-clock.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { Wrong } from "./model.ts";
import { type Operation, operation, Run } from "./operations.ts";

const operations = fc.array(operation, { minLength: 1, maxLength: 60, size: "max" });
const RETENTION = { completed: { count: 0, ageMs: Infinity }, failed: { count: Infinity, ageMs: Infinity } };

function overCoordination(): Driver {
  const shared = new MemoryCoordination();
  const connect = (): CoordinationStore => memoryCoordinationStore(shared);
  return coordinatedDriver({ name: "coordinated", connect });
}

async function play(open: () => Driver, all: readonly Operation[]): Promise<void> {
  const driver = open();
  const clock = virtualClock();
  await driver.open({ clock, logger: silentLogger, retention: RETENTION });
  try {
    const run = new Run(driver, clock);
    for (const one of all) await run.do(one);
    await run.end();
  } finally {
    await driver.close();
  }
}

const property = (open: () => Driver): fc.IAsyncProperty<[Operation[]]> =>
  fc.asyncProperty(operations, (all) => play(open, all));

describe("any sequence of operations does what the model says", () => {
  test.each([
    ["memory", 1_500, () => memoryDriver()],
    ["memory by reference", 300, () => memoryDriver({ copy: false })],
    ["SQLite", 300, () => sqliteDriver({ path: ":memory:" })],
    ["a coordination store", 300, () => overCoordination()],
  ] as const)("%s", async (_, numRuns, open) => {
    await fc.assert(property(open), { numRuns });
  });
});

const redis = await sharedServer("redis");

describe.runIf(redis !== undefined)("on servers, too", () => {
  test("Redis", async () => {
    const open = (): Driver => redisDriver({ url: redis?.url ?? "", prefix: `test:${randomUUID()}`, time: "clock" });
    await fc.assert(property(open), { numRuns: 150 });
  });
});

/** Drivers that are wrong in one way each: the model must find every one. */
const BROKEN: Readonly<Record<string, (driver: Driver) => void>> = {
  "accepts a stale finish": (driver) => change(driver, "finish", (answers) => answers.map((): FinishResult => "ok")),
  "forgets a job of a batch": (driver) => {
    const push = driver.push.bind(driver);
    driver.push = async (jobs) => {
      const results = await push(jobs.slice(0, 4));
      return jobs.map((_, i) => results[i] ?? { status: "stored" });
    };
  },
  "ignores priorities": (driver) => {
    const push = driver.push.bind(driver);
    driver.push = async (jobs) => push(jobs.map((job) => ({ ...job, priority: 0 })));
  },
  "gives jobs in the wrong order": (driver) =>
    changeReserve(driver, (result) => ({ ...result, reservations: result.reservations.toReversed() })),
  "gives a token twice": (driver) =>
    changeReserve(driver, (result) => ({
      ...result,
      reservations: result.reservations.map(({ job }) => ({ job, token: 1 })),
    })),
  "ignores free": (driver) => {
    const reserve = driver.reserve.bind(driver);
    driver.reserve = async (request) => reserve({ ...request, free: request.max });
  },
  "does not report who died": (driver) => changeReserve(driver, (result) => ({ ...result, died: [] }), true),
  "keeps the attempt of a refund": (driver) => {
    const finish = driver.finish.bind(driver);
    driver.finish = async (items) =>
      finish(items.map((item): FinishItem => (item.outcome === "release" ? { ...item, refund: false } : item)));
  },
  "serves a paused queue": (driver) => {
    driver.pause = async () => undefined;
  },
  "leases half as long": (driver) => {
    const reserve = driver.reserve.bind(driver);
    driver.reserve = async (request: ReserveRequest) => reserve({ ...request, leaseMs: request.leaseMs / 2 });
  },
};

function change(
  driver: Driver,
  method: "finish",
  edit: (answers: readonly FinishResult[]) => readonly FinishResult[],
): void {
  const real = driver[method].bind(driver);
  driver[method] = async (items) => edit(await real(items));
}

function changeReserve(driver: Driver, edit: (result: ReserveResult) => ReserveResult, maintainToo = false): void {
  const reserve = driver.reserve.bind(driver);
  driver.reserve = async (request) => edit(await reserve(request));
  if (!maintainToo) return;
  const maintain = driver.maintain.bind(driver);
  driver.maintain = async (options) => ({ ...(await maintain(options)), died: [] });
}

test.each(Object.entries(BROKEN))("a driver that %s is found", async (_, sabotage) => {
  const open = (): Driver => {
    const driver = memoryDriver();
    sabotage(driver);
    return driver;
  };
  const found = await fc.check(property(open), { numRuns: 1_500, endOnFailure: true, seed: 7 });
  expect(found.failed).toBe(true);
  expect(found.errorInstance).toBeInstanceOf(Wrong);
});
