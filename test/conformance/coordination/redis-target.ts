/** Redis as a target of the coordination suite: a prefix for each case. One client of each kind of group waits for a replica. */
import { randomUUID } from "node:crypto";
import type { CoordinationStore } from "../../../src/contract/index.ts";
import { coordinationScripts } from "../../../src/drivers/redis/coordination-scripts.ts";
import { redisCoordinationStore } from "../../../src/drivers/redis/index.ts";
import type { ServerAddress } from "../../../scripts/servers/server.ts";
import type { CoordinationTarget } from "../../../src/testing/conformance/coordination/index.ts";
import { type Connect, LinedClient } from "../redis-lines.ts";

const TIMES = { commandTimeout: "3s", connectTimeout: "20s" } as const;

export function redisCoordinationTarget(
  server: ServerAddress,
  connect: Connect,
  how: "reset" | "end" = "reset",
): CoordinationTarget {
  const clients = new Map<CoordinationStore, LinedClient>();
  let prefix = "";
  const make = async (): Promise<CoordinationStore> => {
    const client = await LinedClient.open(server, connect);
    const store = redisCoordinationStore({ ...TIMES, ...client.options, prefix });
    clients.set(store, client);
    return store;
  };
  return {
    open: () => {
      prefix = `test:${randomUUID()}`;
      return make();
    },
    reopen: make,
    partition: (store) => clients.get(store)?.cutOff() ?? (() => undefined),
    crash: (store) => clients.get(store)?.die(),
    loseAnswer: (store) => clients.get(store)?.loseAnswer([coordinationScripts.transact], how),
    cleanup: async () => {
      await Promise.all([...clients.keys()].map((store) => store.close()));
      await Promise.all([...clients.values()].map((client) => client.end()));
      clients.clear();
    },
  };
}
