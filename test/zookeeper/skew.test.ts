import { randomUUID } from "node:crypto";
import { zookeeperCluster, zookeeperQueue } from "jobferry/zookeeper";
import { silentLogger } from "../../src/runtime/index.ts";
import { placesOf } from "../conformance/coordinated-servers.ts";
import { skewedProcesses } from "../conformance/skewed-processes.ts";
import { sharedServer } from "../servers/shared-server.ts";

const server = await sharedServer("zookeeper-cluster");

if (server !== undefined) {
  const [servers, run, logger] = [placesOf(server), randomUUID(), silentLogger];
  const rootOf = (place: string) => `/test-${run}-${place}`;
  skewedProcesses("zookeeper", {
    queue: (clock, place) => zookeeperQueue(servers, { root: rootOf(place), clock, logger }).open(),
    cluster: (clock, place, nodeId, electionTimeout) =>
      zookeeperCluster({ servers, root: rootOf(place), clock, logger, nodeId, electionTimeout }).start(),
  });
}
