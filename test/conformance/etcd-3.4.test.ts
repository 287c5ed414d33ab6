import { sharedServer } from "../servers/shared-server.ts";
import { runSuiteAtOnce } from "./run-suite.ts";
import { etcdQueueTarget } from "./coordinated-servers.ts";

const server = await sharedServer("etcd-3.4");
if (server) await runSuiteAtOnce("etcd-3.4", () => etcdQueueTarget(server));
