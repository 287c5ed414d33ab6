/** The stores that chaos can run on: one case a backend. */
import type { Driver } from "../../src/contract/index.ts";
import { sqliteDriver } from "../../src/drivers/sqlite/index.ts";
import type { Duration } from "../../src/runtime/index.ts";
import { clusterGroup, sentinelGroup } from "./redis-groups.ts";
import { chaosServer, type ChaosServer, serverStore } from "./server-store.ts";
import type { Size } from "./store-size.ts";
import type { Store } from "./store.ts";

/** A primary that was cut off confirms nothing for longer than about a second. */
export const WITH_REPLICAS = ["--min-replicas-to-write", "1", "--min-replicas-max-lag", "1"];
/** With everysec a server confirms what SIGKILL loses: while it syncs it holds its writes back. */
export const SYNCED = ["--appendfsync", "always"];

/** `sqlite:PATH`. `sessionTtl`: of a store of keys, longer where many processes share few cores; of a broker the heartbeat, whose absence ends a session. Each is imported when it is asked for: a worker of one backend loads no other. */
export async function driverFor(url: string, sessionTtl?: Duration): Promise<Driver> {
  const colon = url.indexOf(":");
  const rest = url.slice(colon + 1);
  switch (url.slice(0, colon)) {
    case "sqlite":
      return sqliteDriver({ path: rest });
    case "coordinated":
    case "etcd":
    case "consul":
    case "zookeeper": {
      const { coordinatedFor } = await import("./coordinated-target.ts");
      return coordinatedFor(url, sessionTtl);
    }
    case "redis":
    case "redis+sentinel":
    case "redis+cluster": {
      const { redisDriver } = await import("../../src/drivers/redis/index.ts");
      // A push is safe from a fail-over when the replica that takes over has it: here there is one.
      return redisDriver({ url, replicas: url.startsWith("redis:") ? 0 : 1 });
    }
    case "postgres": {
      const { postgresDriver } = await import("../../src/drivers/postgres/index.ts");
      return postgresDriver({ url }) as Driver;
    }
    case "amqp": {
      const { rabbitmqFor } = await import("./rabbitmq-store.ts");
      return rabbitmqFor(url, sessionTtl);
    }
    default:
      throw new Error(`No chaos target for ${url.slice(0, colon)}:`);
  }
}

/** What SIGKILL leaves in the system's cache is enough for etcd, and a busy disk does not hold up each write of three nodes. */
const VOTED = {
  "etcd-cluster": { options: { durable: false }, voted: "etcd" },
  "consul-cluster": { options: {}, voted: "consul" },
  "zookeeper-cluster": { options: {}, voted: "zookeeper" },
} as const;

export const votedServer = (scheme: keyof typeof VOTED, hasHosts: boolean): Promise<ChaosServer> =>
  chaosServer(scheme, VOTED[scheme].options, hasHosts ? 3 : 0);

let made = 0;

/** Of one run on a store of keys, whose servers may have seen others. */
function ownPrefix(): string {
  made += 1;
  return `/chaos-${made}`;
}

/** A new store for one run. A file lies in the run's folder; a server is the run's own, because it is killed, or that of the runs before it. */
export async function openStore(
  scheme: string,
  folder: string,
  running?: ChaosServer,
  hasHosts = false,
): Promise<Store> {
  switch (scheme) {
    case "coordinated":
    case "sqlite": {
      const url = `${scheme}:${folder}/jobs.db`;
      return { url, directUrl: url, faults: undefined, close: async () => undefined };
    }
    case "redis":
      return serverStore({ server: "redis", options: { args: SYNCED }, downMs: 300, proxied: true });
    case "etcd":
    case "consul":
    case "zookeeper":
      return serverStore({
        ...{ server: scheme, options: {}, downMs: 300, proxied: true },
        ...{ suffix: ownPrefix(), running },
      });
    case "etcd-cluster":
    case "consul-cluster":
    case "zookeeper-cluster":
      return serverStore({
        ...{ server: scheme, ...VOTED[scheme], downMs: 1_000, proxied: true },
        ...{ suffix: ownPrefix(), running, hosts: hasHosts ? 3 : 0 },
      });
    case "redis-sentinel":
    case "redis-cluster": {
      const group = scheme === "redis-sentinel" ? sentinelGroup : clusterGroup;
      return serverStore({ server: scheme, options: { args: WITH_REPLICAS }, downMs: 3_000, proxied: false, group });
    }
    case "postgres": {
      const store = await serverStore({ server: "postgres", options: {}, downMs: 300, proxied: true });
      return { ...store, size: () => postgresSize(store.directUrl) };
    }
    case "rabbitmq":
    case "rabbitmq-4": {
      const { rabbitmqStore } = await import("./rabbitmq-store.ts");
      return rabbitmqStore(scheme, folder, running);
    }
    default:
      throw new Error(
        `No chaos target "${scheme}". Known: sqlite, coordinated, etcd, consul, zookeeper, etcd-cluster, consul-cluster, zookeeper-cluster, postgres, redis, redis-sentinel, redis-cluster, rabbitmq, rabbitmq-4.`,
      );
  }
}

async function postgresSize(url: string): Promise<Size> {
  const { default: pg } = await import("pg");
  const client = new pg.Client(url);
  client.on("error", () => undefined);
  await client.connect();
  try {
    const { rows } = await client.query<Readonly<Record<keyof Size, string>>>(
      "SELECT sum(pg_table_size(oid)) AS tables, sum(pg_indexes_size(oid)) AS indexes FROM pg_class WHERE relnamespace = 'jobferry'::regnamespace AND relkind = 'r'",
    );
    return { tables: Number(rows[0]?.tables), indexes: Number(rows[0]?.indexes) };
  } finally {
    await client.end();
  }
}
