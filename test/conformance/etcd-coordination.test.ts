import { sharedServer } from "../servers/shared-server.ts";
import { etcdCoordinationTarget } from "./coordination/etcd-lines.ts";
import { runCoordination } from "./coordination/run-coordination.ts";

const server = await sharedServer("etcd");
if (server) await runCoordination("etcd, coordination", etcdCoordinationTarget(server));
