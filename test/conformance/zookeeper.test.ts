import type { ServerAddress } from "../../scripts/servers/server.ts";
import { zookeeperCoordinationStore } from "../../src/drivers/zookeeper/index.ts";
import type { ConformanceTarget } from "../../src/testing/conformance/index.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { coordinatedServerTarget, placesOf } from "./coordinated-servers.ts";
import { runSuiteAtOnce } from "./run-suite.ts";

const TTL_MS = 4_000;

const on = (at: ServerAddress): ConformanceTarget =>
  coordinatedServerTarget("zookeeper", TTL_MS, (root) =>
    zookeeperCoordinationStore({ servers: placesOf(at), root: `/${root}` }),
  );

const server = await sharedServer("zookeeper");
if (server) await runSuiteAtOnce("zookeeper", () => on(server));

const cluster = await sharedServer("zookeeper-cluster");
if (cluster) await runSuiteAtOnce("zookeeper-cluster", () => on(cluster));
