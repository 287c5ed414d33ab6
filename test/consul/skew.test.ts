import { randomUUID } from "node:crypto";
import { consulCluster, consulQueue } from "jobferry/consul";
import { silentLogger } from "../../src/runtime/index.ts";
import { placesOf } from "../conformance/coordinated-servers.ts";
import { skewedProcesses } from "../conformance/skewed-processes.ts";
import { sharedServer } from "../servers/shared-server.ts";

const server = await sharedServer("consul-cluster");

if (server !== undefined) {
  const [address, run, logger] = [placesOf(server), randomUUID(), silentLogger];
  const prefixOf = (place: string) => `test-${run}-${place}`;
  skewedProcesses("consul", {
    queue: (clock, place) => consulQueue(address, { prefix: prefixOf(place), clock, logger }).open(),
    cluster: (clock, place, nodeId, electionTimeout) =>
      consulCluster({ address, prefix: prefixOf(place), clock, logger, nodeId, electionTimeout }).start(),
  });
}
