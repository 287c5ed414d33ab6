import { sharedServer } from "../servers/shared-server.ts";
import { runSuiteAtOnce } from "./run-suite.ts";
import { zookeeperQueueTarget } from "./coordinated-servers.ts";

const server = await sharedServer("zookeeper-3.8");
if (server) await runSuiteAtOnce("zookeeper-3.8", () => zookeeperQueueTarget(server));
