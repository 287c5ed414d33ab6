import { createCluster } from "../../dist/entry/index.js";
import { raw } from "./raw.mjs";
import { distribution, openStore } from "./stores.mjs";

const ROUNDS = 300;

/** A lock that nobody else wants, taken and given back; the same with the raw client; and how long a waiter needs after the release. */
export async function locks(kind) {
  const store = await openStore(kind);
  const [a, b] = [await joined(store.url, "a"), await joined(store.url, "b")];
  const client = await raw[kind](store.url);
  try {
    const free = [];
    const rawFree = [];
    for (let round = -30; round < ROUNDS; round += 1) {
      const mine = await timed(async () => (await a.lock("free")).release());
      const other = await timed(() => client.lockAndUnlock());
      if (round >= 0) [free[round], rawFree[round]] = [mine, other];
    }
    const handOver = [];
    for (let round = -10; round < ROUNDS / 3; round += 1) {
      const held = await a.lock("wanted");
      let at = 0;
      const waiting = b.lock("wanted").then((lock) => {
        at = performance.now();
        return lock;
      });
      await new Promise((resolve) => setTimeout(resolve, 20));
      const start = performance.now();
      await held.release();
      await (await waiting).release();
      if (round >= 0) handOver[round] = at - start;
    }
    return {
      lockAndReleaseMs: distribution(free),
      rawLockAndReleaseMs: distribution(rawFree),
      raw: client.what,
      handOverMs: distribution(handOver),
    };
  } finally {
    await client.close();
    await Promise.all([a.stop(), b.stop()]);
    await store.close();
  }
}

async function joined(url, nodeId) {
  return (await createCluster(url, { nodeId })).start();
}

async function timed(act) {
  const start = performance.now();
  await act();
  return performance.now() - start;
}
