import { sharedServer } from "../servers/shared-server.ts";
import { zookeeperQueueTarget } from "./coordinated-servers.ts";
import { runSuiteAtOnce } from "./run-suite.ts";

const server = await sharedServer("zookeeper");
if (server) await runSuiteAtOnce("zookeeper", () => zookeeperQueueTarget(server));

const cluster = await sharedServer("zookeeper-cluster");
if (cluster) await runSuiteAtOnce("zookeeper-cluster", () => zookeeperQueueTarget(cluster));
