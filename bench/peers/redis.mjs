import { Redis } from "ioredis";
import { Queue, Worker } from "bullmq";
import BeeQueue from "bee-queue";
import { startServer } from "../../scripts/servers/start-server.ts";
import { redisQueue } from "../../dist/entry/redis.js";
import { AHEAD_BY_ITSELF, served } from "./jobferry.mjs";

/** Every peer of every case gets a server of its own, without persistence: what is compared is the work, not a disk. */
async function withServer(attach) {
  const server = await startServer("redis");
  const { url, host, port, nodes } = server;
  const connection = { url, host, port };
  const peer = await attach(connection);
  return {
    ...peer,
    connection,
    serverPids: nodes.map(({ pid }) => pid),
    async close() {
      await peer.close();
      await server.remove();
    },
  };
}

/** `attach`: to a server that runs, in this process or another; `prefetch`: jobs fetched ahead of the slots. */
function peer(name, prefetch, attach) {
  return { name, prefetch, attach, open: () => withServer(attach) };
}

const silent = { debug() {}, info() {}, warn() {}, error: console.error };

export const redis = peer("jobferry", AHEAD_BY_ITSELF, async ({ url }) =>
  served(await redisQueue(url, { logger: silent }).open()),
);

/** As in its guide, with finished jobs removed: Jobferry keeps none either. */
export const bullmq = peer("bullmq", 0, async ({ host, port }) => {
  const connection = { host, port, maxRetriesPerRequest: null };
  const defaultJobOptions = { removeOnComplete: true, removeOnFail: true };
  const queue = new Queue("default", { connection, defaultJobOptions });
  const worker = async (concurrency, handler) => {
    const made = new Worker("default", async ({ data }) => handler(data), { connection, concurrency });
    made.on("error", () => undefined);
    await made.waitUntilReady();
    return made;
  };
  await queue.waitUntilReady();
  return {
    push: (payload) => queue.add("job", payload),
    pushBulk: (payloads, priorityOf) =>
      queue.addBulk(
        payloads.map((data) => ({
          name: "job",
          data,
          opts: priorityOf ? { priority: 10 - priorityOf(data) } : {},
        })),
      ),
    async work({ concurrency, handler, confirmed }) {
      const made = await worker(concurrency, handler);
      made.on("completed", () => confirmed(1));
      return () => made.close();
    },
    async idleWorker(handler) {
      const made = await worker(1, handler);
      return () => made.close();
    },
    async left() {
      const counts = await queue.getJobCounts("wait", "active", "delayed", "prioritized", "failed");
      return Object.values(counts).reduce((sum, count) => sum + count, 0);
    },
    close: () => queue.close(),
  };
});

/** Its fastest settings: no events, no stored results. */
export const beeQueue = peer("bee-queue", 0, async ({ host, port }) => {
  const settings = {
    redis: { host, port },
    removeOnSuccess: true,
    removeOnFailure: true,
    storeJobs: false,
    getEvents: false,
    sendEvents: false,
  };
  const queue = new BeeQueue("default", settings);
  await queue.ready();
  return {
    push: (payload) => queue.createJob(payload).save(),
    pushBulk: async (payloads) => {
      const errors = await queue.saveAll(payloads.map((payload) => queue.createJob(payload)));
      if (errors.size > 0) throw new Error("not every job was saved");
    },
    async work({ concurrency, handler, confirmed }) {
      const worker = new BeeQueue("default", settings);
      worker.on("succeeded", () => confirmed(1));
      worker.process(concurrency, async ({ data }) => handler(data));
      await worker.ready();
      return () => worker.close();
    },
    async idleWorker(handler) {
      const worker = new BeeQueue("default", settings);
      worker.process(1, async ({ data }) => handler(data));
      await worker.ready();
      return () => worker.close();
    },
    async left() {
      const { waiting, active, delayed, failed } = await queue.checkHealth();
      return waiting + active + delayed + failed;
    },
    close: () => queue.close(),
  };
});

const CLAIM_AND_FINISH = `
for i = 2, #ARGV do redis.call('ZREM', KEYS[2], ARGV[i]) redis.call('HDEL', KEYS[3], ARGV[i]) end
local ids = redis.call('LPOP', KEYS[1], ARGV[1])
if not ids or #ids == 0 then return {} end
local lease = redis.call('TIME')[1] + 30
for _, id in ipairs(ids) do redis.call('ZADD', KEYS[2], lease, id) end
local bodies = redis.call('HMGET', KEYS[3], unpack(ids))
local answer = {}
for i, id in ipairs(ids) do answer[2 * i - 1] = id answer[2 * i] = bodies[i] end
return answer
`;

/** One script that finishes and claims, nothing around it: what is left to gain. No tokens, no attempts, no priorities, no delays. */
export const rawLoop = peer("raw Lua loop", 0, async ({ url }) => {
  const client = new Redis(url);
  client.defineCommand("turn", { numberOfKeys: 3, lua: CLAIM_AND_FINISH });
  let next = 0;
  const write = (payloads) => {
    const pipeline = client.pipeline();
    const ids = payloads.map(() => String((next += 1)));
    pipeline.hset("raw:jobs", ...payloads.flatMap((payload, i) => [ids[i], JSON.stringify(payload)]));
    pipeline.rpush("raw:ready", ...ids);
    return pipeline.exec();
  };
  return {
    push: (payload) => write([payload]),
    pushBulk: write,
    async work({ concurrency, handler, confirmed }) {
      let stopped = false;
      const loop = async () => {
        for (let ended = []; !stopped || ended.length > 0;) {
          const jobs = await client.turn("raw:ready", "raw:leases", "raw:jobs", concurrency, ...ended);
          if (ended.length > 0) confirmed(ended.length);
          else if (jobs.length === 0) await new Promise((next) => setTimeout(next, 1));
          ended = jobs.filter((_, i) => i % 2 === 0);
          await Promise.all(jobs.map((body, i) => (i % 2 === 1 ? handler(JSON.parse(body)) : undefined)));
        }
      };
      const ended = loop();
      return () => {
        stopped = true;
        return ended;
      };
    },
    left: () => client.hlen("raw:jobs"),
    close: () => client.disconnect(),
  };
});
