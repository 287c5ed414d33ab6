import { randomUUID } from "node:crypto";
import { etcdCluster, etcdQueue } from "jobferry/etcd";
import { silentLogger } from "../../src/runtime/index.ts";
import { placesOf } from "../conformance/coordinated-servers.ts";
import { skewedProcesses } from "../conformance/skewed-processes.ts";
import { sharedServer } from "../servers/shared-server.ts";

const server = await sharedServer("etcd-cluster");

if (server !== undefined) {
  const [endpoints, run, logger] = [placesOf(server), randomUUID(), silentLogger];
  const prefixOf = (place: string) => `test-${run}-${place}`;
  skewedProcesses("etcd", {
    queue: (clock, place) => etcdQueue(endpoints, { prefix: prefixOf(place), clock, logger }).open(),
    cluster: (clock, place, nodeId, electionTimeout) =>
      etcdCluster({ endpoints, prefix: prefixOf(place), clock, logger, nodeId, electionTimeout }).start(),
  });
}
