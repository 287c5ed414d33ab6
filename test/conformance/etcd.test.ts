import { sharedServer } from "../servers/shared-server.ts";
import { etcdQueueTarget } from "./coordinated-servers.ts";
import { runSuiteAtOnce } from "./run-suite.ts";

const server = await sharedServer("etcd");
if (server) await runSuiteAtOnce("etcd", () => etcdQueueTarget(server));

const cluster = await sharedServer("etcd-cluster");
if (cluster) await runSuiteAtOnce("etcd-cluster", () => etcdQueueTarget(cluster));
