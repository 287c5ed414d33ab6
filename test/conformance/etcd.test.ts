import type { ServerAddress } from "../../scripts/servers/server.ts";
import { etcdCoordinationStore } from "../../src/drivers/etcd/index.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { coordinatedServerTarget, placesOf } from "./coordinated-servers.ts";
import { runSuiteAtOnce } from "./run-suite.ts";

/** Short, because cases wait for its end; long enough for a machine that is busy. */
const TTL_MS = 3_000;

const on = (at: ServerAddress): ReturnType<typeof coordinatedServerTarget> =>
  coordinatedServerTarget("etcd", TTL_MS, (prefix) => etcdCoordinationStore({ endpoints: placesOf(at), prefix }));

const server = await sharedServer("etcd");
if (server) await runSuiteAtOnce("etcd", () => on(server));

const cluster = await sharedServer("etcd-cluster");
if (cluster) await runSuiteAtOnce("etcd-cluster", () => on(cluster));
