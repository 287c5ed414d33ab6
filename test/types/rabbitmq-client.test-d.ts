/** Connections of the newest and of the oldest supported amqplib are taken as they are. */
import type { ChannelModel, ConfirmChannel } from "amqplib";
import type { Connection as OldConnection, ConfirmChannel as OldChannel } from "amqplib-oldest-types";
import type { AmqpClient, AmqpConfirmChannel } from "../../src/entry/rabbitmq.ts";
import { rabbitmqQueue } from "../../src/entry/rabbitmq.ts";

declare const newest: ChannelModel;
declare const newestChannel: ConfirmChannel;
declare const oldest: OldConnection;
declare const oldestChannel: OldChannel;

export const clients: readonly AmqpClient[] = [newest, oldest];
export const channels: readonly AmqpConfirmChannel[] = [newestChannel, oldestChannel];
export const queues = [
  rabbitmqQueue({ connect: async () => newest }),
  rabbitmqQueue({ connect: async () => oldest }),
  rabbitmqQueue("amqps://localhost", { tls: { ca: "pem" }, prefix: "mine", lease: "1m" }),
] as const;
