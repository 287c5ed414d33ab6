import { setTimeout as pause } from "node:timers/promises";
import { afterAll, describe, expect, test } from "vitest";
import { postgresDriver } from "../../src/drivers/postgres/index.ts";
import { silentLogger, systemClock } from "../../src/runtime/index.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { makeDatabase } from "./database.ts";

const BATCH = 1_000;
const ROUND = 30_000;
const STATISTICS_MS = 1_500;

const server = await sharedServer("postgres");
describe.runIf(server !== undefined)("postgres: dead rows", async () => {
  if (server === undefined) return;
  const database = await makeDatabase(server, "size");
  afterAll(() => database.drop());

  test("tables and indexes stop growing: maintain sweeps what jobs leave behind", { timeout: 300_000 }, async () => {
    const driver = postgresDriver({ url: database.url, schema: "sweep", notify: false });
    const retention = { completed: { count: 0, ageMs: Infinity }, failed: { count: Infinity, ageMs: Infinity } };
    await driver.open({ clock: systemClock, logger: silentLogger, retention });
    // The server's own vacuum, slowed down by its cost limit, would hold the table for as long as it takes, and ours leaves a table alone where one is at work.
    await database.query("ALTER TABLE sweep.jobs SET (autovacuum_enabled = off)");
    let pushed = 0;
    const batch = (): Parameters<typeof driver.push>[0] =>
      Array.from({ length: BATCH }, () => ({
        ...{ id: `job-${(pushed += 1)}`, sequence: undefined, queue: "q", name: "n", priority: 0, tags: {} },
        ...{ delayMs: 0, runAt: undefined, maxLosses: 3, createdAt: Date.now() },
        ...{ envelope: Uint8Array.of(1, 3), payload: new Uint8Array(100) },
      }));
    const round = async (): Promise<number> => {
      for (let done = 0; done < ROUND; done += BATCH) {
        await driver.push(batch());
        const { reservations } = await driver.reserve({ queues: ["q"], max: BATCH, leaseMs: 60_000, waitMs: 0 });
        expect(reservations).toHaveLength(BATCH);
        await driver.finish(reservations.map((reservation) => ({ reservation, outcome: "done" })));
      }
      // A connection tells the server's statistics what it did at the end of a call, a second after the last time at the earliest.
      await pause(STATISTICS_MS);
      await driver.stats("q");
      for (let tries = 0; tries < 100 && (await dead()) > 5_000; tries += 1) {
        await driver.maintain({ max: 1_000 });
        await pause(100);
      }
      const [row] = await database.query("SELECT pg_total_relation_size('sweep.jobs') AS bytes");
      return Number(row?.["bytes"]);
    };
    const dead = async (): Promise<number> =>
      Number((await database.query("SELECT pg_stat_get_dead_tuples('sweep.jobs'::regclass) AS n"))[0]?.["n"]);
    const sizes: number[] = [];
    for (let i = 0; i < 5; i += 1) sizes.push(await round());
    await driver.close();
    expect(
      await database.query("SELECT vacuum_count > 0 AS swept FROM pg_stat_user_tables WHERE relname = 'jobs'"),
    ).toEqual([{ swept: true }]);
    // What the first round needs is not there yet when it ends.
    const [, second = 0, , , last = Infinity] = sizes;
    expect(last, `sizes ${sizes.join(", ")}`).toBeLessThanOrEqual(1.2 * second);
  });
});
