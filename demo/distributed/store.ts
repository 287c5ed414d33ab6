import { type Cluster, memoryCluster, memoryQueue, type Queue } from "jobferry";
import type { NodeSettings } from "./environment.ts";

/** This node's place in the cluster. The jobs lie in the same store. */
export async function openCluster(settings: NodeSettings): Promise<Cluster> {
  const { nodeId, name, electionMs } = settings;
  const node = { nodeId, name, electionTimeout: electionMs };
  switch (settings.type) {
    case "memory":
      return memoryCluster(node);
    case "sqlite": {
      const { sqliteCluster } = await import("jobferry/sqlite");
      return sqliteCluster(settings.sqlitePath, node);
    }
    case "redis": {
      const { redisCluster } = await import("jobferry/redis");
      const { addr, password, db } = settings.redis;
      return redisCluster({ ...node, addr, db, prefix: name, ...(password === undefined ? {} : { password }) });
    }
    case "postgres": {
      const { postgresCluster } = await import("jobferry/postgres");
      return postgresCluster({ ...node, url: settings.postgresUrl, schema: name.replaceAll("-", "_") });
    }
    case "etcd": {
      const { etcdCluster } = await import("jobferry/etcd");
      return etcdCluster({ ...node, ...settings.etcd, prefix: name });
    }
    case "consul": {
      const { consulCluster } = await import("jobferry/consul");
      return consulCluster({ ...node, ...settings.consul, prefix: name });
    }
    case "zookeeper": {
      const { zookeeperCluster } = await import("jobferry/zookeeper");
      return zookeeperCluster({ ...node, ...settings.zookeeper, root: `/${name}` });
    }
  }
}

let inMemory: Queue | undefined;

/** The jobs on their own: who only pushes and looks is no node. */
export async function openQueue(settings: NodeSettings): Promise<Queue> {
  const { name, keepCompleted } = settings;
  switch (settings.type) {
    case "memory":
      return (inMemory ??= memoryQueue({ keepCompleted }));
    case "sqlite": {
      const { sqliteQueue } = await import("jobferry/sqlite");
      return sqliteQueue(settings.sqlitePath, { keepCompleted }) as unknown as Queue;
    }
    case "redis": {
      const { redisQueue } = await import("jobferry/redis");
      return redisQueue(redisUrl(settings), { keepCompleted, prefix: name });
    }
    case "etcd": {
      const { etcdQueue } = await import("jobferry/etcd");
      const { endpoints, ...login } = settings.etcd;
      return etcdQueue(endpoints, { ...login, keepCompleted, prefix: name });
    }
    case "consul": {
      const { consulQueue } = await import("jobferry/consul");
      const { address, ...rest } = settings.consul;
      return consulQueue(address, { ...rest, keepCompleted, prefix: name });
    }
    case "zookeeper": {
      const { zookeeperQueue } = await import("jobferry/zookeeper");
      const { servers, ...login } = settings.zookeeper;
      return zookeeperQueue(servers, { ...login, keepCompleted, root: `/${name}` });
    }
    case "postgres": {
      const { postgresQueue } = await import("jobferry/postgres");
      const schema = name.replaceAll("-", "_");
      return postgresQueue(settings.postgresUrl, { keepCompleted, schema }) as unknown as Queue;
    }
  }
}

function redisUrl({ redis: { addr, password, db } }: NodeSettings): string {
  const login = password === undefined ? "" : `:${encodeURIComponent(password)}@`;
  return `redis://${login}${addr}/${db}`;
}
