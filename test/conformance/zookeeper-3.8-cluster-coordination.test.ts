import { sharedServer } from "../servers/shared-server.ts";
import { runCoordination } from "./coordination/run-coordination.ts";
import { zookeeperCoordinationTarget } from "./coordination/zookeeper-lines.ts";

const server = await sharedServer("zookeeper-3.8-cluster");
if (server) await runCoordination("zookeeper-3.8-cluster, coordination", zookeeperCoordinationTarget(server));
