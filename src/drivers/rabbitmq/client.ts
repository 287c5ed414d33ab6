/**
 * What the driver uses of amqplib, by shape: no type of a client's is named, so any version that fits can be handed in.
 * A test compiles it against the newest and the oldest supported release.
 */
export interface AmqpMessage {
  readonly content: Uint8Array;
  readonly fields: Readonly<{ deliveryTag: number }>;
  readonly properties: Readonly<{ headers?: object | undefined; messageId?: unknown }>;
}

/** A method's type, because those take listeners that name their parameters more closely. */
type Listener = { listen(...values: readonly unknown[]): void }["listen"];

export interface AmqpChannel {
  on(event: string, listener: Listener): unknown;
  removeAllListeners(event: string): unknown;
  prefetch(count: number): Promise<unknown>;
  assertQueue(queue: string, options: object): Promise<Readonly<{ messageCount: number }>>;
  deleteQueue(queue: string): Promise<unknown>;
  checkQueue(queue: string): Promise<Readonly<{ messageCount: number }>>;
  purgeQueue(queue: string): Promise<Readonly<{ messageCount: number }>>;
  assertExchange(exchange: string, type: string, options: object): Promise<unknown>;
  bindQueue(queue: string, exchange: string, pattern: string): Promise<unknown>;
  bindExchange(destination: string, source: string, pattern: string): Promise<unknown>;
  consume(queue: string, onMessage: () => void, options: object): Promise<unknown>;
  cancel(consumerTag: string): Promise<unknown>;
  ack(message: AmqpMessage, allUpTo?: boolean): void;
  nack(message: AmqpMessage, allUpTo: boolean, requeue: boolean): void;
  close(): Promise<unknown>;
}

export interface AmqpConfirmChannel extends AmqpChannel {
  publish(
    exchange: string,
    routingKey: string,
    content: Uint8Array,
    options: object,
    confirmed: (error: unknown) => void,
  ): boolean;
}

/** An open connection, as amqplib's `connect` resolves to. */
export interface AmqpClient {
  readonly connection: Readonly<{ serverProperties: object }>;
  on(event: string, listener: Listener): unknown;
  createChannel(): Promise<AmqpChannel>;
  createConfirmChannel(): Promise<AmqpConfirmChannel>;
  close(): Promise<unknown>;
}
