import { sharedServer } from "../servers/shared-server.ts";
import { runCoordination } from "./coordination/run-coordination.ts";
import { zookeeperCoordinationTarget } from "./coordination/zookeeper-lines.ts";

const server = await sharedServer("zookeeper");
if (server) await runCoordination("zookeeper, coordination", zookeeperCoordinationTarget(server));
