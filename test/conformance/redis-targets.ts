/** Redis as a target of the suite: each case has a prefix of its own, each driver a client and lines of its own. */
import { randomUUID } from "node:crypto";
import type { ServerAddress } from "../../scripts/servers/server.ts";
import type { Driver } from "../../src/contract/index.ts";
import { redisDriver } from "../../src/drivers/redis/index.ts";
import { scripts } from "../../src/drivers/redis/script.ts";
import type { ConformanceTarget } from "../../src/testing/conformance/index.ts";
import { virtualClock } from "../../src/testing/virtual-clock.ts";
import { type Connect, LinedClient } from "./redis-lines.ts";

/** Each case of the suite on a server's own time takes as long as its leases and delays; on virtual time an answer is waited for so long. */
const VIRTUAL = { realInputMs: 500 };
const SCRIPTS = { push: [scripts.push, scripts.pushOne], finish: [scripts.done, scripts.finish] } as const;

type Options = Readonly<{
  partitions?: number;
  /** For a client that does not go by its lines. Default: true. */
  losesAnswers?: boolean;
  how?: "reset" | "end";
}>;

/** `connect` is called once a driver; a crash cuts its client as the death of its process would. */
export function redisTarget(
  server: ServerAddress,
  connect: Connect,
  time: "virtual" | "real",
  { partitions = 1, losesAnswers = true, how = "reset" }: Options = {},
): ConformanceTarget {
  const clients = new Map<Driver, LinedClient>();
  let prefix = "";
  const open = async (): Promise<Driver> => {
    const client = await LinedClient.open(server, connect);
    const driver = redisDriver({
      ...client.options,
      prefix,
      partitions,
      time: time === "virtual" ? "clock" : "server",
    });
    clients.set(driver, client);
    return driver;
  };
  const loseAnswer = (driver: Driver, call: "push" | "finish"): void =>
    clients.get(driver)?.loseAnswer(SCRIPTS[call], how);
  return {
    ...(time === "virtual" ? { clock: virtualClock(), ...VIRTUAL } : {}),
    open: () => {
      prefix = `test:${randomUUID()}`;
      return open();
    },
    reopen: open,
    crash: (driver) => clients.get(driver)?.die(),
    ...(losesAnswers ? { loseAnswer } : {}),
    cleanup: async () => {
      await Promise.all([...clients.keys()].map((driver) => driver.close()));
      await Promise.all([...clients.values()].map((client) => client.end()));
      clients.clear();
    },
  };
}
