import { afterAll, describe } from "vitest";
import { postgresCluster } from "jobferry/postgres";
import { silentLogger } from "../../src/runtime/index.ts";
import { keepsJobsInItsStore } from "../conformance/distributed-entry.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { makeDatabase } from "./database.ts";

const server = await sharedServer("postgres");

describe.runIf(server)("a cluster on PostgreSQL", async () => {
  if (server === undefined) return;
  const database = await makeDatabase(server, "distributed");
  afterAll(() => database.drop());
  keepsJobsInItsStore((nodeId) => postgresCluster({ url: database.url, nodeId, logger: silentLogger }));
});
