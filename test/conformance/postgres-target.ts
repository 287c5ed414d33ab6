import pg from "pg";
import { afterAll } from "vitest";
import type { ServerName } from "../../scripts/servers/registry.ts";
import type { Driver } from "../../src/contract/index.ts";
import { postgresDriver, type PostgresDriverOptions } from "../../src/drivers/postgres/index.ts";
import type { ConformanceTarget } from "../../src/testing/conformance/index.ts";
import { type Database, makeDatabase } from "../postgres/database.ts";
import { startWire, type Wire } from "../postgres/wire.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { runSuite } from "./run-suite.ts";

/** A schema a case and a wire a driver; the server's own time. A crash cuts the wire, as the death of the process would. */
function onServer(host: string, port: number, database: Database, options: PostgresDriverOptions): ConformanceTarget {
  let schema = "";
  let cases = 0;
  const wires = new Map<Driver, Wire>();
  const crashed: Driver[] = [];
  const make = async (): Promise<Driver> => {
    const wire = await startWire(host, port);
    const driver = postgresDriver({ ...options, url: database.urlBy(wire.port), schema });
    wires.set(driver, wire);
    return driver;
  };
  return {
    open: () => {
      cases += 1;
      schema = `case ${cases}`;
      return make();
    },
    reopen: make,
    crash: (driver) => {
      wires.get(driver)?.cut();
      crashed.push(driver);
    },
    // By the name of the prepared statement, or where a proxy lost that, by its text.
    loseAnswer: (driver, call) => wires.get(driver)?.steal(new RegExp(`jobferry_${call}_|\\.${call}\\(`)),
    transact: async (_driver, body, end) => {
      const client = new pg.Client(database.url);
      await client.connect();
      await client.query("BEGIN");
      await body(client);
      await client.query(end);
      await client.end();
    },
    cleanup: async () => {
      await Promise.all(crashed.splice(0).map((driver) => driver.close()));
      await Promise.all([...wires.values()].map((wire) => wire.close()));
      wires.clear();
      await database.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`);
    },
  };
}

/** The suite on the shared server of that kind. */
export async function runOnPostgres(kind: ServerName, options: PostgresDriverOptions = {}): Promise<void> {
  const server = await sharedServer(kind);
  if (server === undefined) return;
  const database = await makeDatabase(server, "conformance");
  afterAll(() => database.drop());
  await runSuite(`${kind} (${server.version})`, onServer(server.host, server.port, database, options));
}
