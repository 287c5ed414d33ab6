import amqplib from "amqplib";
import { createJob } from "../../dist/entry/index.js";
import { rabbitmqQueue } from "../../dist/entry/rabbitmq.js";
import { served } from "./jobferry.mjs";

const url = process.env.JOBFERRY_BENCH_URL;
/** Most messages that either side holds unacknowledged, beside what its slots run. */
const PREFETCH = 1_000;
let made = 0;

function freshName() {
  made += 1;
  return `bench-${process.pid}-${made}`;
}

/** Ours on the server of the run. What is left is counted where AMQP can count. */
export const ours = {
  name: "jobferry",
  prefetch: PREFETCH,
  async attach({ prefix }) {
    const queue = await rabbitmqQueue(url, { prefix, settle: 0 }).open();
    return {
      ...served(queue, { prefetch: PREFETCH }),
      async left() {
        const { pendingJobs, delayedJobs, failedJobs } = await queue.getStats();
        return pendingJobs + delayedJobs + failedJobs;
      },
    };
  },
  async open() {
    const prefix = freshName();
    const parts = await this.attach({ prefix });
    // Queues are declared once, and the raw client has declared its own and made both connections before the clock starts.
    await parts.queue.push(createJob({ i: 0 }));
    const first = await parts.queue.pop({ wait: "5s" });
    if (first === undefined) throw new Error("The job of the warm-up did not come.");
    await first.complete();
    return {
      ...parts,
      connection: { prefix },
      async close() {
        await parts.close();
        await remove(prefix);
      },
    };
  },
};

async function remove(prefix) {
  const client = await amqplib.connect(url);
  const channel = await client.createChannel();
  for (const name of ["jobs.default", "failed.default", "queues"]) await channel.deleteQueue(`${prefix}.${name}`);
  await client.close();
}

/** amqplib on the same queue: confirmed publish, consume, acknowledge, each message by itself. No retries, leases, delays or events. */
export const rawClient = {
  name: "raw amqplib",
  prefetch: PREFETCH,
  async open() {
    const name = freshName();
    const parts = await this.attach({ name });
    return {
      ...parts,
      connection: { name },
      async close() {
        await parts.remove();
        await parts.close();
      },
    };
  },
  async attach({ name }) {
    const [publisher, consumer] = [
      await amqplib.connect(url, { noDelay: true }),
      await amqplib.connect(url, { noDelay: true }),
    ];
    const pushing = await publisher.createConfirmChannel();
    // The arguments of our queues: a dead letter must not get lost on either side.
    const args = {
      ...{ "x-queue-type": "quorum", "x-delivery-limit": 1_000_000_000, "x-overflow": "reject-publish" },
      ...{ "x-dead-letter-strategy": "at-least-once", "x-dead-letter-exchange": "" },
      "x-dead-letter-routing-key": `${name}.failed`,
    };
    const options = { durable: true, arguments: args };
    await pushing.assertQueue(name, options);
    const publish = (payload) =>
      new Promise((resolve, reject) => {
        const body = Buffer.from(JSON.stringify(payload));
        pushing.publish("", name, body, { persistent: true, mandatory: true }, (error) =>
          error ? reject(error) : resolve(),
        );
      });
    const consume = async (prefetch, onMessage) => {
      const channel = await consumer.createChannel();
      await channel.prefetch(prefetch);
      const { consumerTag } = await channel.consume(name, (message) => onMessage(channel, message));
      return { channel, consumerTag };
    };
    return {
      push: publish,
      pushBulk: (payloads) => Promise.all(payloads.map(publish)),
      /** An acknowledgement is confirmed by the round trip behind it, as ours is; one is under way at a time. */
      async work({ concurrency, handler, confirmed }) {
        const ahead = Math.max(PREFETCH, concurrency);
        let [acknowledged, asking] = [0, false];
        const confirm = async (on) => {
          asking = true;
          for (let jobs = acknowledged; jobs > 0; jobs = acknowledged) {
            acknowledged = 0;
            await on.prefetch(ahead);
            confirmed(jobs);
          }
          asking = false;
        };
        const { channel } = await consume(ahead, async (on, message) => {
          await handler(JSON.parse(message.content.toString()));
          on.ack(message);
          acknowledged += 1;
          if (!asking) await confirm(on);
        });
        return async () => {
          // The server may still have some of them in hand, and would lose them with the channel.
          await new Promise((wait) => setTimeout(wait, 500));
          await channel.close();
        };
      },
      async idleWorker(handler) {
        const { channel } = await consume(1, async (on, message) => {
          await handler(JSON.parse(message.content.toString()));
          on.ack(message);
        });
        return () => channel.close();
      },
      left: async () => (await pushing.checkQueue(name)).messageCount,
      remove: () => pushing.deleteQueue(name),
      async close() {
        await publisher.close();
        await consumer.close();
      },
    };
  },
};
