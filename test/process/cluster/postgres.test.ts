import { afterAll } from "vitest";
import { makeDatabase } from "../../postgres/database.ts";
import { sharedServer } from "../../servers/shared-server.ts";
import { clusterCases } from "./cases.ts";

const server = await sharedServer("postgres");
if (server !== undefined) {
  const database = await makeDatabase(server, "cluster");
  afterAll(() => database.drop());
  let schemas = 0;
  clusterCases("postgres cluster", () => {
    schemas += 1;
    return { kind: "postgres", url: database.url, schema: `cluster_${schemas}` };
  });
}
