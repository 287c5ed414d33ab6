/** The queue driver over coordination stores, for chaos: sessions as short as the stores of the tests take them. */
import type { CoordinationStore, Driver } from "../../src/contract/index.ts";
import { coordinatedDriver } from "../../src/drivers/coordinated/index.ts";
import type { Duration } from "../../src/runtime/index.ts";
import { countingClaims } from "./claim-counts.ts";

/** The algorithm of the three servers, on the coordination store that needs none. */
export async function coordinatedFor(url: string, sessionTtl: Duration = "2s"): Promise<Driver> {
  const scheme = url.slice(0, url.indexOf(":"));
  const rest = url.slice(scheme.length + 1);
  const over = (connect: () => CoordinationStore): Driver =>
    coordinatedDriver({
      ...{ name: scheme, sessionTtl },
      connect: () => countingClaims(connect()),
    });
  switch (scheme) {
    case "etcd": {
      const { etcdCoordinationStore } = await import("../../src/drivers/etcd/index.ts");
      return over(() => etcdCoordinationStore({ url }));
    }
    case "consul": {
      const { consulCoordinationStore } = await import("../../src/drivers/consul/index.ts");
      return over(() => consulCoordinationStore({ address: url }));
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
