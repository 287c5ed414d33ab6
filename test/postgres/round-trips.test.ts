import pg from "pg";
import { expect, test } from "vitest";
import { postgresDriver } from "../../src/drivers/postgres/index.ts";
import { silentLogger, systemClock } from "../../src/runtime/index.ts";
import { callsPerBatch } from "../conformance/round-trips.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { makeDatabase } from "./database.ts";

const server = await sharedServer("postgres");
const KEEP = { count: Infinity, ageMs: Infinity };

test.skipIf(server === undefined)(
  "push, claim, finish and extend are one statement a batch, whatever is in it",
  async () => {
    expect.hasAssertions();
    if (server === undefined) return;
    const { url, drop } = await makeDatabase(server, "round_trips");
    let statements = 0;
    class CountingClient extends pg.Client {
      override query(...args: readonly unknown[]): never {
        statements += 1;
        return (super.query as (...all: readonly unknown[]) => never)(...args);
      }
    }
    const pool = new pg.Pool({ connectionString: url, Client: CountingClient as never });
    pool.on("error", () => undefined);
    const driver = postgresDriver({ client: pool, notify: false });
    await driver.open({ clock: systemClock, logger: silentLogger, retention: { completed: KEEP, failed: KEEP } });
    const calls = await callsPerBatch(driver as never, async () => statements);
    expect(calls).toEqual({ push: 1, claim: 1, finish: 1, extend: 1 });
    await driver.close();
    await pool.end();
    await drop();
  },
);
