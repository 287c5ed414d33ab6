/** Three servers of a store that vote, each behind a proxy that counts what nodes ask it for. */
import { randomUUID } from "node:crypto";
import type { ServerAddress } from "../../../scripts/servers/server.ts";
import { placesOf } from "../../conformance/coordinated-servers.ts";
import { LosingProxy } from "../../consul/losing-proxy.ts";
import { type Counts, CountingProxy, etcdRequests, zookeeperRequests } from "./counting-proxy.ts";
import type { Place } from "./place.ts";

export type CountedPlace = AsyncDisposable & Readonly<{ place: Place; counts: Counts }>;

/** A blocking query that comes back is asked again; what matters is who reads or writes. */
const OF_CONSUL = ["GET /v1/kv", "PUT /v1/txn", "PUT /v1/session/create"] as const;

function targetsOf(server: ServerAddress): readonly Readonly<{ host: string; port: number }>[] {
  return placesOf(server).map((place) => ({ host: server.host, port: Number(place.split(":").at(-1)) }));
}

function counted(
  proxies: readonly (Readonly<{ port: number }> & AsyncDisposable)[],
  placeAt: (addresses: string, name: string) => Place,
  counts: Counts,
): CountedPlace {
  const addresses = proxies.map(({ port }) => `127.0.0.1:${port}`).join(",");
  return {
    place: placeAt(addresses, `test-${randomUUID()}`),
    counts,
    async [Symbol.asyncDispose]() {
      await Promise.all(proxies.map((proxy) => proxy[Symbol.asyncDispose]()));
    },
  };
}

export async function countedEtcd(server: ServerAddress): Promise<CountedPlace> {
  const proxies = await Promise.all(targetsOf(server).map((target) => CountingProxy.start(target, etcdRequests)));
  const placeAt = (addresses: string, prefix: string) =>
    ({ kind: "etcd", url: `etcd://${addresses}`, prefix }) as const;
  return counted(proxies, placeAt, totalOf(proxies));
}

export async function countedZookeeper(server: ServerAddress): Promise<CountedPlace> {
  const proxies = await Promise.all(targetsOf(server).map((target) => CountingProxy.start(target, zookeeperRequests)));
  const placeAt = (servers: string, name: string) => ({ kind: "zookeeper", servers, root: `/${name}` }) as const;
  return counted(proxies, placeAt, totalOf(proxies));
}

export async function countedConsul(server: ServerAddress): Promise<CountedPlace> {
  const proxies = await Promise.all(targetsOf(server).map((target) => LosingProxy.start(target)));
  const placeAt = (address: string, prefix: string) => ({ kind: "consul", address, prefix }) as const;
  return counted(proxies, placeAt, { total: () => sum(proxies.map((proxy) => proxy.total(...OF_CONSUL))) });
}

const totalOf = (proxies: readonly Counts[]): Counts => ({
  total: (...without) => sum(proxies.map((proxy) => proxy.total(...without))),
});

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);
