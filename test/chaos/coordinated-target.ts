/** The queue driver over coordination stores, for chaos: sessions as short as the stores of the tests take them. */
import type { CoordinationStore, Driver } from "../../src/contract/index.ts";
import { coordinatedDriver } from "../../src/drivers/coordinated/index.ts";
import type { Duration } from "../../src/runtime/index.ts";
import { countingClaims } from "./claim-counts.ts";

/** Where there is one after the addresses, all keys lie under it: runs on the same servers know nothing of each other. */
const PREFIX = /^(\w+:\/\/[^/]+)\/(.+)$/;

/** The algorithm of the three servers (`etcd://HOST:PORT,HOST:PORT/PREFIX`), or of the coordination store that needs none. */
export async function coordinatedFor(url: string, sessionTtl: Duration = "2s"): Promise<Driver> {
  const scheme = url.slice(0, url.indexOf(":"));
  const rest = url.slice(scheme.length + 1);
  const [, place = url, prefix] = PREFIX.exec(url) ?? [];
  const under = prefix === undefined ? {} : { prefix };
  const over = (connect: () => CoordinationStore): Driver =>
    coordinatedDriver({
      ...{ name: scheme, sessionTtl },
      connect: () => countingClaims(connect()),
    });
  switch (scheme) {
    case "etcd": {
      const { etcdCoordinationStore } = await import("../../src/drivers/etcd/index.ts");
      return over(() => etcdCoordinationStore({ url: place, ...under }));
    }
    case "consul": {
      const { consulCoordinationStore } = await import("../../src/drivers/consul/index.ts");
      return over(() => consulCoordinationStore({ address: place, ...under }));
    }
    case "zookeeper": {
      const { zookeeperCoordinationStore } = await import("../../src/drivers/zookeeper/index.ts");
      return over(() => zookeeperCoordinationStore({ url }));
    }
    default: {
      const { sqliteCoordinationStore } = await import("../../src/drivers/sqlite/index.ts");
      return over(() => sqliteCoordinationStore({ path: rest }));
    }
  }
}
