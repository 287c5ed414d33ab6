import { sharedServer } from "../servers/shared-server.ts";
import { etcdCoordinationTarget } from "./coordination/etcd-lines.ts";
import { runCoordination } from "./coordination/run-coordination.ts";

const server = await sharedServer("etcd-3.4");
if (server) await runCoordination("etcd-3.4, coordination", etcdCoordinationTarget(server));
