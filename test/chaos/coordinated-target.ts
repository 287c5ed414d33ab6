/** The queue driver over coordination stores, for chaos: sessions as short as the stores of the tests take them. */
import type { Driver } from "../../src/contract/index.ts";
import { coordinatedDriver } from "../../src/drivers/coordinated/index.ts";

/** The algorithm of the three servers, on the coordination store that needs none. */
export async function coordinatedFor(url: string): Promise<Driver> {
  const scheme = url.slice(0, url.indexOf(":"));
  const rest = url.slice(scheme.length + 1);
  const common = { name: scheme, durability: "serverCrash" } as const;
  switch (scheme) {
    case "etcd": {
      const { etcdCoordinationStore } = await import("../../src/drivers/etcd/index.ts");
      return coordinatedDriver({ ...common, sessionTtl: "2s", connect: () => etcdCoordinationStore({ url }) });
    }
    case "consul": {
      const { consulCoordinationStore } = await import("../../src/drivers/consul/index.ts");
      return coordinatedDriver({
        ...common,
        sessionTtl: "2s",
        connect: () => consulCoordinationStore({ address: url }),
      });
    }
    case "zookeeper": {
      const { zookeeperCoordinationStore } = await import("../../src/drivers/zookeeper/index.ts");
      return coordinatedDriver({ ...common, sessionTtl: "2s", connect: () => zookeeperCoordinationStore({ url }) });
    }
    default: {
      const { sqliteCoordinationStore } = await import("../../src/drivers/sqlite/index.ts");
      return coordinatedDriver({ ...common, sessionTtl: "2s", connect: () => sqliteCoordinationStore({ path: rest }) });
    }
  }
}
