import type { ServerAddress } from "../../scripts/servers/server.ts";
import { consulCoordinationStore } from "../../src/drivers/consul/index.ts";
import type { ConformanceTarget } from "../../src/testing/conformance/index.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { coordinatedServerTarget, placesOf } from "./coordinated-servers.ts";
import { runSuiteAtOnce } from "./run-suite.ts";

/** The test servers take it; a session ends after twice that. */
const TTL_MS = 3_000;

const on = (at: ServerAddress): ConformanceTarget =>
  coordinatedServerTarget("consul", TTL_MS, (prefix) =>
    consulCoordinationStore({ address: placesOf(at), prefix, connectTimeout: "20s" }),
  );

const server = await sharedServer("consul");
if (server) await runSuiteAtOnce("consul", () => on(server));

const cluster = await sharedServer("consul-cluster");
if (cluster) await runSuiteAtOnce("consul-cluster", () => on(cluster));
