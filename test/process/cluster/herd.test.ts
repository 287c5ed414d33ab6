// Counted on the wire: how many requests reach a real store between a release and the next holder, with 100 that wait.
import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { ServerAddress } from "../../../scripts/servers/server.ts";
import type { Cluster, Lock } from "../../../src/entry/index.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { makeDatabase } from "../../postgres/database.ts";
import { sharedServer } from "../../servers/shared-server.ts";
import {
  type Counts,
  CountingProxy,
  postgresRequests,
  quiet,
  redisRequests,
  redisScripts,
  STEADY,
} from "./counting-proxy.ts";
import { type CountedPlace, countedConsul, countedEtcd, countedZookeeper } from "./counted-place.ts";
import { lineIs } from "./line.ts";
import { clusterIn, type Place } from "./place.ts";

const NODES = 10;
const WAITING = 100;
const ROUNDS = 15;
async function herd(place: Place, proxy: Counts, most = 3): Promise<void> {
  const started = async (nodeId: string): Promise<Cluster> =>
    clusterIn(place, { nodeId, electionTimeout: "40s", logger: silentLogger }).start();
  const holder = await started("holder");
  const nodes = await Promise.all(Array.from({ length: NODES }, (_, n) => started(`node-${n}`)));
  const stop = new AbortController();
  const got: Lock[] = [];
  let lock = await holder.lock("herd");
  const waiting = Array.from({ length: WAITING }, async (_, n) => {
    const next = await nodes[n % NODES]?.lock("herd", { signal: stop.signal }).catch(() => undefined);
    if (next !== undefined) got.push(next);
  });
  await lineIs(place, "herd", 1 + WAITING);
  await quiet(proxy);
  const requests: number[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    const before = proxy.total(...STEADY);
    const released = lock.release();
    while (got.length < round) await new Promise((resolve) => setImmediate(resolve));
    requests.push(proxy.total(...STEADY) - before);
    await released;
    lock = got[round - 1] ?? lock;
    await quiet(proxy);
  }
  console.log(`requests from a release to the next holder of ${WAITING} waiting: ${requests.join(", ")}`);
  stop.abort(new Error("enough"));
  await Promise.all(waiting);
  await Promise.all([holder, ...nodes].map((node) => node.stop()));
  expect(Math.max(...requests)).toBeLessThanOrEqual(most);
  expect(Math.min(...requests), "the proxy counts").toBeGreaterThanOrEqual(2);
}

const etcd = await sharedServer("etcd-cluster");
const postgres = await sharedServer("postgres");
const redis = await sharedServer("redis");
const consul = await sharedServer("consul-cluster");
const zookeeper = await sharedServer("zookeeper-cluster");

describe.runIf(postgres !== undefined)("postgres", () => {
  test("postgres: 100 wait, one releases, at most 3 requests", async () => {
    if (postgres === undefined) return;
    const database = await makeDatabase(postgres, "herd");
    await using proxy = await CountingProxy.start(postgres, postgresRequests);
    await herd({ kind: "postgres", url: database.urlBy(proxy.port), schema: "herd" }, proxy);
    await database.drop();
  });
});

describe.runIf(redis !== undefined)("redis", () => {
  test.each(["ioredis", "redis"] as const)(
    "redis, with %s: 100 wait, one releases, at most 3 requests",
    async (library) => {
      if (redis === undefined) return;
      await using proxy = await CountingProxy.start(redis, redisRequests(redisScripts));
      const url = `redis://127.0.0.1:${proxy.port}`;
      await herd({ kind: "redis", url, prefix: `test:${randomUUID()}`, library }, proxy);
    },
  );
});

/** On three servers. */
async function herdOn(server: ServerAddress | undefined, counted: Counted, most: number): Promise<void> {
  if (server === undefined) return;
  await using store = await counted(server);
  await herd(store.place, store.counts, most);
}

type Counted = (server: ServerAddress) => Promise<CountedPlace>;

describe.runIf(etcd !== undefined)("etcd", () => {
  test("etcd: 100 wait, one releases, at most 3 requests", () => herdOn(etcd, countedEtcd, 3));
});

describe.runIf(consul !== undefined)("consul", () => {
  test("consul: 100 wait, one releases, at most 3 requests", () => herdOn(consul, countedConsul, 3));
});

describe.runIf(zookeeper !== undefined)("zookeeper", () => {
  // The release, the watcher's look, and three for the place in the line: sync, names, values.
  test("zookeeper: 100 wait, one releases, at most 5 requests", () => herdOn(zookeeper, countedZookeeper, 5));
});
