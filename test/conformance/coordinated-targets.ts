/** The queue driver over coordination stores that live in this process, as a target of the suite. */
import type { CoordinationStore, Driver } from "../../src/contract/index.ts";
import { coordinatedDriver } from "../../src/drivers/coordinated/index.ts";
import { MemoryCoordination, memoryCoordinationStore } from "../../src/drivers/memory/coordination-store.ts";
import type { ConformanceTarget } from "../../src/testing/conformance/index.ts";
import { type VirtualClock, virtualClock } from "../../src/testing/virtual-clock.ts";
import { ConsulServer } from "./coordination/consul-server.ts";
import { ConsulStore } from "./coordination/consul-store.ts";
import { EtcdServer } from "./coordination/etcd-server.ts";
import { EtcdStore } from "./coordination/etcd-store.ts";
import { LosingClient } from "./losing-client.ts";
import { ZookeeperServer } from "./coordination/zookeeper-server.ts";
import { ZookeeperStore } from "./coordination/zookeeper-store.ts";

type Server = Readonly<{ connect(): CoordinationStore; stop?(): void }>;

/** Calls take turns of the event loop, which virtual time must not overtake. */
const TURNS_MS = 50;

/** Several drivers on one server, on a virtual clock. */
export function coordinatedTarget(start: (clock: VirtualClock) => Server): ConformanceTarget {
  const clock = virtualClock();
  const clients = new Map<Driver, readonly LosingClient[]>();
  const dead: LosingClient[] = [];
  let server: Server | undefined;
  const driver = (on: Server): Driver => {
    const own: LosingClient[] = [];
    const connect = (): CoordinationStore => {
      const client = new LosingClient(on.connect());
      own.push(client);
      return client;
    };
    const made = coordinatedDriver({ name: "coordinated", connect });
    clients.set(made, own);
    for (const client of own) client.healAtCallsOf(made);
    return made;
  };
  const clientsOf = (of: Driver): readonly LosingClient[] => clients.get(of) ?? [];
  return {
    clock,
    realInputMs: TURNS_MS,
    open: () => {
      server = start(clock);
      return driver(server);
    },
    reopen: () => driver(server ?? start(clock)),
    crash: (of) => {
      for (const client of clientsOf(of)) client.die();
      dead.push(...clientsOf(of));
      void of.close();
    },
    loseAnswer: (of) => {
      for (const client of clientsOf(of)) client.loses = true;
    },
    cleanup: async () => {
      await Promise.all(dead.splice(0).map((client) => client.close()));
      server?.stop?.();
      server = undefined;
      clients.clear();
    },
  };
}

export const STORES: Readonly<Record<string, (clock: VirtualClock) => Server>> = {
  "in memory": () => {
    const shared = new MemoryCoordination();
    return { connect: () => memoryCoordinationStore(shared) };
  },
  "like etcd": (clock) => {
    const server = new EtcdServer(clock);
    return { connect: () => new EtcdStore(server), stop: () => server.stop() };
  },
  "like Consul": (clock) => {
    const server = new ConsulServer(clock);
    return { connect: () => new ConsulStore(server), stop: () => server.stop() };
  },
  "like ZooKeeper": (clock) => {
    const server = new ZookeeperServer(clock);
    return { connect: () => new ZookeeperStore(server), stop: () => server.stop() };
  },
};
