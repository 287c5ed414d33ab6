// What ZooKeeper itself cannot compare: that a node which was deleted and made again is another one. Many that write at once try to be fooled.
import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { Compare, CoordinationStore, CoordinationWrite } from "../../src/contract/index.ts";
import { zookeeperCoordinationStore } from "../../src/drivers/zookeeper/index.ts";
import { systemClock } from "../../src/runtime/index.ts";
import { sharedServer } from "../servers/shared-server.ts";

const CLIENTS = 4;
const LANES = 4;
const KEYS = 3;
const SECONDS = 2;

type Consumed = Readonly<{ key: string; version: string }>;

/** Reads a key and writes on what it read: changes it, deletes it, makes it, with and without a session. */
async function churn(store: CoordinationStore, session: string, until: number, consumed: Consumed[]): Promise<number> {
  let won = 0;
  while (performance.now() < until) {
    const key = `aba/keys/k${Math.floor(Math.random() * KEYS)}`;
    const found = await store.get(key);
    const value = new Uint8Array([won % 256]);
    const dice = Math.random();
    const write: CoordinationWrite =
      found !== undefined && dice < 0.5 ? { delete: key } : { put: key, value, ...(dice > 0.75 ? { session } : {}) };
    const compare: Compare = found === undefined ? { key, absent: true } : { key, version: found.version };
    const result = await store.transact([compare], [write]);
    if (!result.ok) continue;
    won += 1;
    if (found !== undefined) consumed.push({ key, version: found.version });
  }
  return won;
}

for (const name of ["zookeeper", "zookeeper-cluster"] as const) {
  const server = await sharedServer(name);
  describe.runIf(server !== undefined)(`compare and set on ${name}`, () => {
    it("no version is replaced or deleted twice, however often a key is made anew", async () => {
      const url = `${server?.url}/aba-${randomUUID()}`;
      const stores = Array.from({ length: CLIENTS }, () => zookeeperCoordinationStore({ url }));
      await Promise.all(stores.map((store) => store.open({ clock: systemClock })));
      const consumed: Consumed[] = [];
      const until = performance.now() + SECONDS * 1_000;
      const won = await Promise.all(
        stores.flatMap((store) =>
          Array.from({ length: LANES }, async () => {
            const session = await store.openSession(30_000);
            const count = await churn(store, session.id, until, consumed);
            await session.close();
            return count;
          }),
        ),
      );
      await Promise.all(stores.map((store) => store.close()));
      const names = consumed.map(({ key, version }) => `${key}@${version}`);
      expect(new Set(names).size).toBe(names.length);
      expect(won.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(100);
      console.log(`${name}: ${names.length} versions replaced or deleted`);
    });
  });
}
