import amqplib from "amqplib";
import { rabbitmqQueue } from "../../dist/entry/rabbitmq.js";
import { adapter } from "./jobferry.mjs";

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
  async open() {
    const prefix = freshName();
    const queue = await rabbitmqQueue(url, { prefix, settle: 0 }).open();
    return {
      ...adapter(queue, { prefetch: PREFETCH }),
      async left() {
        const { pendingJobs, delayedJobs, failedJobs } = await queue.getStats();
        return pendingJobs + delayedJobs + failedJobs;
      },
      async close() {
        await queue.close();
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
  async open() {
    const [publisher, consumer] = [
      await amqplib.connect(url, { noDelay: true }),
      await amqplib.connect(url, { noDelay: true }),
    ];
    const pushing = await publisher.createConfirmChannel();
    const name = freshName();
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
      /** The clock stops at a round trip behind the last acknowledgement, as ours does. */
      async process({ concurrency, handler, total }) {
        let done = 0;
        const { promise, resolve } = Promise.withResolvers();
        const { channel } = await consume(Math.max(PREFETCH, concurrency), async (on, message) => {
          await handler(JSON.parse(message.content.toString()));
          on.ack(message);
          done += 1;
          if (done === total) resolve();
        });
        await promise;
        await channel.prefetch(1);
        const ended = performance.now();
        // The server may still have some of them in hand, and would lose them with the channel.
        await new Promise((wait) => setTimeout(wait, 500));
        await channel.close();
        return ended;
      },
      async idleWorker(handler) {
        const { channel } = await consume(1, async (on, message) => {
          await handler(JSON.parse(message.content.toString()));
          on.ack(message);
        });
        return () => channel.close();
      },
      left: async () => (await pushing.checkQueue(name)).messageCount,
      async close() {
        await pushing.deleteQueue(name);
        await publisher.close();
        await consumer.close();
      },
    };
  },
};
