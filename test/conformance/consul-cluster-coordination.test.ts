import { sharedServer } from "../servers/shared-server.ts";
import { consulCoordinationTarget } from "./coordination/consul-lines.ts";
import { runCoordination } from "./coordination/run-coordination.ts";

const server = await sharedServer("consul-cluster");
if (server !== undefined) await runCoordination("consul-cluster, coordination", consulCoordinationTarget(server));
