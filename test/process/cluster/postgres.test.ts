import { afterAll } from "vitest";
import { postgresCoordinationStore } from "../../../src/drivers/postgres/index.ts";
import { makeDatabase } from "../../postgres/database.ts";
import { sharedServer } from "../../servers/shared-server.ts";
import { clusterCases, SHORTEST } from "./cases.ts";
import { paceOf } from "./pace.ts";

const server = await sharedServer("postgres");
if (server !== undefined) {
  const database = await makeDatabase(server, "cluster");
  afterAll(() => database.drop());
  const write = paceOf(postgresCoordinationStore({ url: database.url, schema: "cluster_pace" }));
  let schemas = 0;
  const place = () => {
    schemas += 1;
    return { kind: "postgres", url: database.url, schema: `cluster_${schemas}` } as const;
  };
  clusterCases("postgres cluster", place, { ...SHORTEST, write });
}
