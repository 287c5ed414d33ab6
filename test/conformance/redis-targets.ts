/** Redis as a target of the suite: each case has a prefix of its own, each driver a client of its own. */
import { randomUUID } from "node:crypto";
import { createClient } from "redis";
import { Redis } from "ioredis";
import type { Driver } from "../../src/contract/index.ts";
import { redisDriver } from "../../src/drivers/redis/index.ts";
import type { RedisDriverOptions } from "../../src/drivers/redis/index.ts";
import type { ConformanceTarget } from "../../src/testing/conformance/index.ts";
import { virtualClock } from "../../src/testing/virtual-clock.ts";

/** Each case of the suite on a server's own time takes as long as its leases and delays; on virtual time an answer is waited for so long. */
const VIRTUAL = { realInputMs: 500 };

type Client = Readonly<{ options: RedisDriverOptions; end: () => void; loseNext?: () => void }>;

/** `connect` is called once a driver; a crash ends its client as the death of its process would. */
export function redisTarget(
  connect: () => Client,
  time: "virtual" | "real",
  { partitions = 1, losesAnswers = false }: Readonly<{ partitions?: number; losesAnswers?: boolean }> = {},
): ConformanceTarget {
  const clients = new Map<Driver, Client>();
  let prefix = "";
  const open = (): Driver => {
    const client = connect();
    const driver = redisDriver({
      ...client.options,
      prefix,
      partitions,
      time: time === "virtual" ? "clock" : "server",
    });
    clients.set(driver, client);
    return driver;
  };
  return {
    ...(time === "virtual" ? { clock: virtualClock(), ...VIRTUAL } : {}),
    open: () => {
      prefix = `test:${randomUUID()}`;
      return open();
    },
    reopen: open,
    crash: (driver) => clients.get(driver)?.end(),
    ...(losesAnswers ? { loseAnswer: (driver: Driver) => clients.get(driver)?.loseNext?.() } : {}),
    cleanup: async () => {
      await Promise.all([...clients.keys()].map((driver) => driver.close()));
      for (const { end } of clients.values()) end();
      clients.clear();
    },
  };
}

/** An ioredis client of which the next script's answer can be lost on its way. */
export function losingIoredis(url: string): Client {
  const client = new Redis(url, { lazyConnect: true });
  const callBuffer = client.callBuffer.bind(client) as (...args: unknown[]) => Promise<unknown>;
  let losing = false;
  Object.assign(client, {
    callBuffer: async (...args: unknown[]) => {
      const reply = await callBuffer(...args);
      if (!losing || !String(args[0]).startsWith("EVAL")) return reply;
      losing = false;
      throw new Error("Connection is closed.");
    },
  });
  return { options: { client }, end: () => client.disconnect(), loseNext: () => void (losing = true) };
}

export function nodeRedis(url: string): Client {
  const client = createClient({ url });
  return { options: { client }, end: () => void (client.isOpen && client.destroy()) };
}

/** A client that the driver makes and closes itself. */
export function byUrl(url: string, library: "ioredis" | "redis"): Client {
  return { options: { url, library }, end: () => undefined };
}
