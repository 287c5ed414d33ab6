import { readFileSync } from "node:fs";
import { createServer, connect } from "node:net";
import { once } from "node:events";
import { createCluster, DistributedQueue } from "../../dist/entry/index.js";
import { openStore, sleep } from "./stores.mjs";

const WINDOW_MS = 8_000;
const SETTLE_MS = 4_000;

/** What an idle cluster costs its store: requests and bytes a second, of nodes with default times that have no jobs. */
export async function idle(kind, sizes = [3, 10, 50]) {
  const results = {};
  for (const nodes of sizes) results[nodes] = await measure(kind, nodes);
  return results;
}

async function measure(kind, count) {
  const store = await openStore(kind);
  const meter = kind === "sqlite" ? fileMeter() : await serverMeter(store);
  const nodes = [];
  try {
    for (let n = 0; n < count; n += 1) {
      const cluster = await createCluster(meter.url ?? store.url, { nodeId: `node-${n}` });
      const node = new DistributedQueue({ cluster, workerCount: 2, handler: () => undefined });
      await node.start();
      nodes.push(node);
    }
    await sleep(SETTLE_MS);
    const before = await meter.read();
    const cpu = process.cpuUsage();
    const start = performance.now();
    await sleep(WINDOW_MS);
    const seconds = (performance.now() - start) / 1_000;
    const after = await meter.read();
    const { user, system } = process.cpuUsage(cpu);
    const rates = Object.fromEntries(Object.keys(before).map((key) => [key, (after[key] - before[key]) / seconds]));
    return { ...rates, cpuMsPerSecond: (user + system) / 1_000 / seconds };
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
    await meter.close();
    await store.close();
  }
}

/** All nodes are in this process: what it writes is what they write. */
function fileMeter() {
  const read = () => {
    const [, calls] = /syscw: (\d+)/.exec(readFileSync("/proc/self/io", "utf8")) ?? [];
    const [, bytes] = /wchar: (\d+)/.exec(readFileSync("/proc/self/io", "utf8")) ?? [];
    return { writes: Number(calls), bytesWritten: Number(bytes) };
  };
  return { read, close: () => undefined };
}

/** A proxy that counts the bytes, and the server's own count of requests. */
async function serverMeter({ kind, url }) {
  const bytes = { up: 0, down: 0 };
  const target = new URL(url);
  const sockets = new Set();
  const proxy = createServer((client) => {
    const server = connect(Number(target.port), target.hostname);
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    }
    client.on("data", (chunk) => (bytes.up += chunk.length)).pipe(server);
    server.on("data", (chunk) => (bytes.down += chunk.length)).pipe(client);
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const requests = await requestCounter[kind](url);
  const through = new URL(url);
  through.port = String(proxy.address().port);
  return {
    url: through.href,
    read: async () => ({ requests: await requests.count(), bytesUp: bytes.up, bytesDown: bytes.down }),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      proxy.close();
      await requests.close();
    },
  };
}

const requestCounter = {
  async redis(url) {
    const { Redis } = await import("ioredis");
    const client = new Redis(url);
    let own = 0;
    return {
      // Commands inside of scripts are counted by Redis too; calls of scripts are the requests.
      count: async () => {
        own += 1;
        const stats = await client.info("commandstats");
        const calls = [
          ...stats.matchAll(/cmdstat_(evalsha|eval|subscribe|get|set|ping|bzpopmin|publish)[^:]*:calls=(\d+)/g),
        ];
        return calls.reduce((sum, [, , n]) => sum + Number(n), 0);
      },
      close: () => client.quit(),
    };
  },

  async postgres(url) {
    const { default: pg } = await import("pg");
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    return {
      count: async () => {
        await sleep(1_100); // the server's statistics are that late
        const { rows } = await client.query(
          "SELECT xact_commit + xact_rollback AS n FROM pg_stat_database WHERE datname = current_database()",
        );
        return Number(rows[0].n);
      },
      close: () => client.end(),
    };
  },
};
