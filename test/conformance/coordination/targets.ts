import type { CoordinationStore } from "../../../src/contract/index.ts";
import { MemoryCoordination, memoryCoordinationStore } from "../../../src/drivers/memory/coordination-store.ts";
import type { CoordinationTarget } from "../../../src/testing/conformance/coordination/index.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";
import { ConsulServer } from "./consul-server.ts";
import { ConsulStore } from "./consul-store.ts";
import { EtcdServer } from "./etcd-server.ts";
import { EtcdStore } from "./etcd-store.ts";
import { FaultyClient } from "./faults.ts";
import { ZookeeperServer } from "./zookeeper-server.ts";
import { ZookeeperStore } from "./zookeeper-store.ts";

/** Several clients on one server in this process, on a virtual clock, with lines that can be cut. `connect` makes another client of the newest server. */
export function inProcess(
  start: (
    clock: ReturnType<typeof virtualClock>,
  ) => Readonly<{ connect(): CoordinationStore; forgetHistory?(): void; stop?(): void }>,
  wrap: (client: CoordinationStore) => CoordinationStore = (client) => client,
): CoordinationTarget {
  const clock = virtualClock();
  const faulty = new Map<CoordinationStore, FaultyClient>();
  let server: ReturnType<typeof start> | undefined;
  let dead: FaultyClient[] = [];
  const client = (): CoordinationStore => {
    server ??= start(clock);
    const inner = new FaultyClient(server.connect());
    const outer = wrap(inner);
    faulty.set(outer, inner);
    return outer;
  };
  const known = (store: CoordinationStore): FaultyClient => {
    const found = faulty.get(store);
    if (found === undefined) throw new Error("a client that this target did not make");
    return found;
  };
  return {
    clock,
    open: () => {
      server = undefined;
      return client();
    },
    reopen: client,
    partition: (store) => known(store).cut(),
    crash: (store) => {
      known(store).die();
      dead.push(known(store));
    },
    loseAnswer: (store) => known(store).loseNextAnswer(),
    forgetHistory: () => server?.forgetHistory?.(),
    cleanup: async () => {
      await Promise.all(dead.map((one) => one.close()));
      dead = [];
      server?.stop?.();
      faulty.clear();
    },
  };
}

export const memoryTarget = (wrap?: (client: CoordinationStore) => CoordinationStore): CoordinationTarget =>
  inProcess(() => {
    const shared = new MemoryCoordination();
    return { connect: () => memoryCoordinationStore(shared) };
  }, wrap);

export const etcdTarget = (): CoordinationTarget =>
  inProcess((clock) => {
    const server = new EtcdServer(clock);
    return { connect: () => new EtcdStore(server), forgetHistory: () => server.compact(), stop: () => server.stop() };
  });

export const consulTarget = (): CoordinationTarget =>
  inProcess((clock) => {
    const server = new ConsulServer(clock);
    return { connect: () => new ConsulStore(server), stop: () => server.stop() };
  });

export const zookeeperTarget = (): CoordinationTarget =>
  inProcess((clock) => {
    const server = new ZookeeperServer(clock);
    return { connect: () => new ZookeeperStore(server), stop: () => server.stop() };
  });
