import type { ServerAddress } from "../../scripts/servers/server.ts";
import { etcdCoordinationStore } from "../../src/drivers/etcd/index.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { coordinatedServerTarget } from "./coordinated-servers.ts";
import { runSuiteAtOnce } from "./run-suite.ts";

/** As short as etcd takes it. */
const TTL_MS = 2_000;

const on = ({ endpoints }: ServerAddress): ReturnType<typeof coordinatedServerTarget> =>
  coordinatedServerTarget("etcd", TTL_MS, (prefix) =>
    etcdCoordinationStore({ endpoints: Object.values(endpoints), prefix }),
  );

const server = await sharedServer("etcd");
if (server) await runSuiteAtOnce("etcd", () => on(server));

const cluster = await sharedServer("etcd-cluster");
if (cluster) await runSuiteAtOnce("etcd-cluster", () => on(cluster));
