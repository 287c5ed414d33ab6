/** The queue driver over coordination stores on servers, as a target of the suite, in real time. */
import { randomUUID } from "node:crypto";
import type { ServerAddress } from "../../scripts/servers/server.ts";
import type { CoordinationStore, Driver } from "../../src/contract/index.ts";
import { coordinatedDriver } from "../../src/drivers/coordinated/index.ts";
import { etcdCoordinationStore } from "../../src/drivers/etcd/index.ts";
import { zookeeperCoordinationStore } from "../../src/drivers/zookeeper/index.ts";
import type { ConformanceTarget } from "../../src/testing/conformance/index.ts";
import { LosingClient } from "./losing-client.ts";

/** `host:port` of every node. */
export function placesOf({ host, port, endpoints }: ServerAddress): readonly string[] {
  const places = Object.values(endpoints);
  return places.length === 0 ? [`${host}:${port}`] : places;
}

/** Short, because cases wait for its end; long enough for a machine that is busy. */
const ETCD_TTL_MS = 3_000;
const ZOOKEEPER_TTL_MS = 4_000;

export function etcdQueueTarget(at: ServerAddress): ConformanceTarget {
  const connect = (prefix: string): CoordinationStore => etcdCoordinationStore({ endpoints: placesOf(at), prefix });
  return coordinatedServerTarget("etcd", ETCD_TTL_MS, connect);
}

export function zookeeperQueueTarget(at: ServerAddress): ConformanceTarget {
  const connect = (root: string): CoordinationStore =>
    zookeeperCoordinationStore({ servers: placesOf(at), root: `/${root}` });
  return coordinatedServerTarget("zookeeper", ZOOKEEPER_TTL_MS, connect);
}

/** `connect` makes a client whose keys have this prefix. */
export function coordinatedServerTarget(
  name: string,
  sessionTtl: number,
  connect: (prefix: string) => CoordinationStore,
): ConformanceTarget {
  const clients = new Map<Driver, readonly LosingClient[]>();
  let prefix = "";
  const make = (): Driver => {
    const own: LosingClient[] = [];
    const driver = coordinatedDriver({
      ...{ name, sessionTtl },
      connect: () => {
        const client = new LosingClient(connect(prefix));
        own.push(client);
        return client;
      },
    });
    for (const client of own) client.healAtCallsOf(driver);
    clients.set(driver, own);
    return driver;
  };
  return {
    // Each call is a transaction that a majority writes, and many cases run at once.
    shortLeaseMs: 2_000,
    open: () => {
      prefix = `test-${randomUUID()}`;
      return make();
    },
    reopen: make,
    // Nothing goes out any more.
    crash: (driver) => {
      for (const client of clients.get(driver) ?? []) client.die();
    },
    loseAnswer: (driver) => {
      for (const client of clients.get(driver) ?? []) client.loses = true;
    },
    cleanup: async () => {
      await Promise.all([...clients.keys()].map((driver) => driver.close().catch(() => undefined)));
      clients.clear();
    },
  };
}
