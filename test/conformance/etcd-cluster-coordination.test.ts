import { sharedServer } from "../servers/shared-server.ts";
import { etcdCoordinationTarget } from "./coordination/etcd-lines.ts";
import { runCoordination } from "./coordination/run-coordination.ts";

const server = await sharedServer("etcd-cluster");
if (server) await runCoordination("etcd-cluster, coordination", etcdCoordinationTarget(server));
