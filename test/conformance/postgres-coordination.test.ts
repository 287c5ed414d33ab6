import { afterAll } from "vitest";
import type { CoordinationStore } from "../../src/contract/index.ts";
import { postgresCoordinationStore } from "../../src/drivers/postgres/index.ts";
import type { CoordinationTarget } from "../../src/testing/conformance/coordination/index.ts";
import { startTcpProxy, type TcpProxy } from "../faults/tcp-proxy.ts";
import { type Database, makeDatabase } from "../postgres/database.ts";
import { startWire, type Wire } from "../postgres/wire.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { runCoordination } from "./coordination/run-coordination.ts";

type Line = Readonly<{ wire: Wire; proxy: TcpProxy }>;

/** A schema for each case; each client has a line of its own, which can be cut and lose answers. */
function onServer(host: string, port: number, database: Database, notify: boolean): CoordinationTarget {
  let schema = "";
  let cases = 0;
  const lines = new Map<CoordinationStore, Line>();
  const made: CoordinationStore[] = [];
  const make = async (): Promise<CoordinationStore> => {
    const proxy = await startTcpProxy({ host, port });
    const wire = await startWire(proxy.host, proxy.port);
    const store = postgresCoordinationStore({
      url: database.urlBy(wire.port),
      schema,
      notify,
      callTimeout: "3s",
      connectTimeout: "3s",
    });
    lines.set(store, { wire, proxy });
    made.push(store);
    return store;
  };
  return {
    open: () => {
      cases += 1;
      schema = `${notify ? "told" : "polled"} ${cases}`;
      return make();
    },
    reopen: make,
    partition: (store) => {
      const line = lines.get(store);
      line?.proxy.halfOpen();
      return async () => {
        // A stream with a gap cannot go on.
        line?.proxy.cut("reset");
        await line?.proxy.pass();
      };
    },
    crash: async (store) => {
      await lines.get(store)?.proxy.close();
    },
    // By the name of the prepared statement, or where a proxy lost that, by its text.
    loseAnswer: (store) => lines.get(store)?.wire.steal(/jobferry_c_transact|keys_transact\(/),
    cleanup: async () => {
      await Promise.all(made.splice(0).map((store) => store.close()));
      for (const { wire, proxy } of lines.values()) await Promise.all([wire.close(), proxy.close()]);
      lines.clear();
      await database.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`);
    },
  };
}

const server = await sharedServer("postgres");
if (server !== undefined) {
  const database = await makeDatabase(server, "coordination");
  afterAll(() => database.drop());
  await runCoordination("postgres, coordination", onServer(server.host, server.port, database, true));
  await runCoordination(
    "postgres, coordination without notifications",
    onServer(server.host, server.port, database, false),
  );
}

const proxied = await sharedServer("postgres-pgbouncer");
if (proxied !== undefined) {
  const database = await makeDatabase(proxied, "coordination");
  afterAll(() => database.drop());
  await runCoordination(
    "postgres, coordination behind a proxy that pools",
    onServer(proxied.host, proxied.port, database, true),
  );
}

const oldest = await sharedServer("postgres-12");
if (oldest !== undefined) {
  const database = await makeDatabase(oldest, "coordination");
  afterAll(() => database.drop());
  await runCoordination("postgres-12, coordination", onServer(oldest.host, oldest.port, database, true));
}
