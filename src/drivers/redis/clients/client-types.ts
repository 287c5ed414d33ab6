/** The part of ioredis (5 or newer, `Redis` or `Cluster`) that is used. Arguments are left open: both releases and both classes overload them differently. */
export interface IoredisClient {
  readonly status: string;
  callBuffer(...args: never[]): Promise<unknown>;
  duplicate(...args: never[]): unknown;
  connect(...args: never[]): Promise<unknown>;
  disconnect(...args: never[]): unknown;
  on(...args: never[]): unknown;
  off(...args: never[]): unknown;
}

/** The part of node-redis (the package `redis`, 5 or newer: a client, a cluster or a sentinel) that is used. */
export interface NodeRedisClient {
  readonly isOpen: boolean;
  sendCommand(...args: never[]): Promise<unknown>;
  duplicate(...args: never[]): unknown;
  connect(...args: never[]): Promise<unknown>;
  destroy(...args: never[]): unknown;
  on(...args: never[]): unknown;
  off(...args: never[]): unknown;
}

export type RedisClient = IoredisClient | NodeRedisClient;

export function isIoredis(client: RedisClient): client is IoredisClient {
  return "callBuffer" in client && typeof client.callBuffer === "function";
}

export function isNodeRedis(client: RedisClient): client is NodeRedisClient {
  return "sendCommand" in client && typeof client.sendCommand === "function" && "isOpen" in client;
}
