import { consulCoordinationStore } from "../../dist/drivers/consul/index.js";
import { coordinatedDriver } from "../../dist/drivers/coordinated/index.js";
import { etcdCoordinationStore } from "../../dist/drivers/etcd/index.js";
import { zookeeperCoordinationStore } from "../../dist/drivers/zookeeper/index.js";
import { Queue } from "../../dist/entry/index.js";

/** A client of the store at `url`; all of one `place` see the same keys. */
const CONNECT = {
  etcd: (url, place) => etcdCoordinationStore({ url, prefix: place }),
  consul: (url, place) => consulCoordinationStore({ address: url, prefix: place }),
  zookeeper: (url, place) => zookeeperCoordinationStore({ url, root: `/${place}` }),
};

export const STORES = Object.keys(CONNECT);

export const connect = (store, url, place) => CONNECT[store](url, place);

/** Long sessions: what is measured is not how they end. */
export function openQueue(store, url, place) {
  const driver = coordinatedDriver({
    ...{ name: store, maxBacklog: Infinity, maxBacklogBytes: Infinity, sessionTtl: "20s" },
    connect: () => connect(store, url, place),
  });
  return new Queue(driver, {}).open();
}
