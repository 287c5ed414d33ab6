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
/** It goes on until both are reached. */
const LEAST_MS = 2_000;
const LEAST_WON = 200;
/** Ends what gets nowhere. */
const MOST_MS = 60_000;

type Consumed = Readonly<{ key: string; version: string }>;
type Tally = { won: number; readonly consumed: Consumed[] };

/** Reads a key and writes on what it read: changes it, deletes it, makes it, with and without a session. */
async function churn(store: CoordinationStore, session: string, tally: Tally, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    const key = `aba/keys/k${Math.floor(Math.random() * KEYS)}`;
    const found = await store.get(key);
    const value = new Uint8Array([tally.won % 256]);
    const dice = Math.random();
    const write: CoordinationWrite =
      found !== undefined && dice < 0.5 ? { delete: key } : { put: key, value, ...(dice > 0.75 ? { session } : {}) };
    const compare: Compare = found === undefined ? { key, absent: true } : { key, version: found.version };
    const result = await store.transact([compare], [write]);
    if (!result.ok) continue;
    tally.won += 1;
    if (found !== undefined) tally.consumed.push({ key, version: found.version });
  }
}

function overWhenEnough(tally: Tally): () => boolean {
  const begun = performance.now();
  return () => {
    const ms = performance.now() - begun;
    return ms > MOST_MS || (ms > LEAST_MS && tally.won >= LEAST_WON);
  };
}

for (const name of ["zookeeper", "zookeeper-cluster"] as const) {
  const server = await sharedServer(name);
  describe.runIf(server !== undefined)(`compare and set on ${name}`, () => {
    it("no version is replaced or deleted twice, however often a key is made anew", async () => {
      const url = `${server?.url}/aba-${randomUUID()}`;
      const stores = Array.from({ length: CLIENTS }, () => zookeeperCoordinationStore({ url, callTimeout: "20s" }));
      await Promise.all(stores.map((store) => store.open({ clock: systemClock })));
      const tally: Tally = { won: 0, consumed: [] };
      const isOver = overWhenEnough(tally);
      await Promise.all(
        stores.flatMap((store) =>
          Array.from({ length: LANES }, async () => {
            // As long as the store allows: nobody renews it.
            const session = await store.openSession(40_000);
            await churn(store, session.id, tally, isOver);
            await session.close();
          }),
        ),
      );
      await Promise.all(stores.map((store) => store.close()));
      const names = tally.consumed.map(({ key, version }) => `${key}@${version}`);
      expect(new Set(names).size).toBe(names.length);
      expect(tally.won).toBeGreaterThanOrEqual(LEAST_WON);
      console.log(`${name}: ${names.length} versions replaced or deleted`);
    });
  });
}
