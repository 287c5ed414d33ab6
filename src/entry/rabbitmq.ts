import { engineOf, Queue, QUEUE_OPTIONS, type QueueOptions } from "../core/index.ts";
import type { Capabilities } from "../contract/index.ts";
import type { SecondQueue } from "../drivers/shared/second-store.ts";
import { rabbitmqDriver, type RabbitmqDriverOptions } from "../drivers/rabbitmq/index.ts";
import { invalidArgument } from "../errors/index.ts";
import { checkOptions } from "../runtime/index.ts";

export type { AmqpChannel, AmqpClient, AmqpConfirmChannel, AmqpMessage } from "../drivers/rabbitmq/index.ts";

/** Where the server is: `url`, or `connect` for connections of your own; and what else the driver and the queue take. */
export type RabbitmqQueueOptions = QueueOptions &
  RabbitmqDriverOptions &
  Readonly<{
    /**
     * Another queue, such as `sqliteQueue(path)`, that keeps what RabbitMQ cannot: failed jobs one by one, and delays longer than a week. It stays
     * yours: close it after this queue.
     */
    records?: Queue;
  }>;

const DRIVER_OPTIONS = [
  ...["url", "connect", "tls", "prefix", "connectTimeout", "answerTimeout"],
  ...["heartbeat", "settle", "maxMessageBytes", "records"],
];

/**
 * A queue on RabbitMQ 3.10 or later, for any number of processes and machines.
 * @param target `amqp://user:password@host:5672/vhost` (or `amqps://`), or options with `url` or `connect`.
 */
export function rabbitmqQueue(target: string | RabbitmqQueueOptions, options: RabbitmqQueueOptions = {}): Queue {
  const all: RabbitmqQueueOptions =
    typeof target === "string" ? { ...options, url: target } : { ...target, ...options };
  checkOptions("rabbitmqQueue", all, [...QUEUE_OPTIONS, ...DRIVER_OPTIONS]);
  const {
    url,
    connect,
    tls,
    prefix,
    connectTimeout,
    answerTimeout,
    heartbeat,
    settle,
    maxMessageBytes,
    records,
    ...rest
  } = all;
  const driver = rabbitmqDriver(
    {
      ...(url === undefined ? {} : { url }),
      ...(connect === undefined ? {} : { connect }),
      ...(tls === undefined ? {} : { tls }),
      ...(prefix === undefined ? {} : { prefix }),
      ...(connectTimeout === undefined ? {} : { connectTimeout }),
      ...(answerTimeout === undefined ? {} : { answerTimeout }),
      ...(heartbeat === undefined ? {} : { heartbeat }),
      ...(settle === undefined ? {} : { settle }),
      ...(maxMessageBytes === undefined ? {} : { maxMessageBytes }),
    },
    secondOf(records),
  );
  return new Queue(driver, rest);
}

function secondOf(records: Queue | undefined): SecondQueue | undefined {
  if (records === undefined) return undefined;
  if (!(records instanceof Queue)) throw invalidArgument("records", records, "a queue, such as sqliteQueue(path)");
  const engine = engineOf(records);
  const open = async (): Promise<Capabilities> => {
    await engine.ready();
    return engine.capabilities;
  };
  return { driver: engine.driver, open };
}
