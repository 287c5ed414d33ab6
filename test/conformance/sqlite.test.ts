import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Driver } from "../../src/contract/index.ts";
import { sqliteDriver } from "../../src/drivers/sqlite/index.ts";
import type { ConformanceTarget } from "../../src/testing/conformance/index.ts";
import { virtualClock } from "../../src/testing/virtual-clock.ts";
import { runSuite } from "./run-suite.ts";

/** One file for each case. A crash leaves its driver as it is until the clean-up; the chaos tests kill real processes. */
function onFile(): ConformanceTarget {
  let folder = "";
  const crashed: Driver[] = [];
  const path = (): string => join(folder, "jobs.db");
  return {
    clock: virtualClock(),
    stepsWallClock: true,
    open: () => {
      folder = mkdtempSync(join(tmpdir(), "jobferry-conformance-"));
      return sqliteDriver({ path: path() });
    },
    reopen: () => sqliteDriver({ path: path() }),
    crash: (driver) => void crashed.push(driver),
    transact: async (_driver, body, end) => {
      const database = new DatabaseSync(path());
      database.exec("BEGIN IMMEDIATE");
      await body(database);
      database.exec(end);
      database.close();
    },
    cleanup: async () => {
      await Promise.all(crashed.splice(0).map((driver) => driver.close()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The user's own database, in memory: all that the driver shares with others is their transaction. */
function onHandedInDatabase(): ConformanceTarget {
  let database: DatabaseSync | undefined;
  return {
    clock: virtualClock(),
    stepsWallClock: true,
    open: () => {
      database = new DatabaseSync(":memory:");
      return sqliteDriver({ database });
    },
    transact: async (_driver, body, end) => {
      database?.exec("BEGIN IMMEDIATE");
      await body(database);
      database?.exec(end);
    },
    cleanup: () => database?.close(),
  };
}

await runSuite("sqlite, a file", onFile());
await runSuite("sqlite, in memory", onHandedInDatabase());
