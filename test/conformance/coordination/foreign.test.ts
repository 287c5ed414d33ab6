// The contract carries stores of other kinds: each is green in the suite, and a cluster runs on each.
import { expect, test } from "vitest";
import { Cluster } from "../../../src/cluster/index.ts";
import type { CoordinationStore } from "../../../src/contract/index.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { runCoordinationConformance } from "../../../src/testing/conformance/coordination/index.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";
import { runCoordination } from "./run-coordination.ts";
import { consulTarget, etcdTarget, memoryTarget, zookeeperTarget } from "./targets.ts";

const kinds = { "like etcd": etcdTarget, "like Consul": consulTarget, "like ZooKeeper": zookeeperTarget };

for (const [kind, target] of Object.entries(kinds)) await runCoordination(`a store ${kind}`, target());

test.each(Object.entries({ memory: memoryTarget, ...kinds }))(
  "a cluster on a store of the kind: %s",
  async (_kind, make) => {
    const target = make();
    const clock = target.clock ?? virtualClock();
    const first = await target.open();
    const ttl = first.capabilities.session.minTtlMs + 3_000;
    const options = { electionTimeout: ttl, clock, logger: silentLogger };
    const settled = async <T>(promise: Promise<T>, withinMs = 0): Promise<T> => {
      let done = false;
      void promise.finally(() => (done = true)).catch(() => undefined);
      for (let passed = 0; !done && passed <= withinMs + 2_000; passed += 20) await clock.advance(20);
      return promise;
    };
    const join = async (store: CoordinationStore, nodeId: string): Promise<Cluster> =>
      settled(new Cluster(store, { nodeId, ...options }).start());
    const a = await join(first, "a");
    const second = await target.reopen(first);
    const b = await join(second, "b");
    const [left, right] = [await settled(a.elect()), await settled(b.elect())];
    const got: unknown[] = [];
    await settled(b.subscribe("news", ({ data }) => got.push(data)));
    await settled(a.broadcast("news", { n: 1 }));
    const lock = await settled(a.lock("x"));
    const waiting = b.lock("x");
    await clock.advance(100);
    expect([left.isLeader, right.isLeader, got]).toEqual([true, false, [{ n: 1 }]]);
    expect((await settled(a.nodes())).map(({ id }) => id)).toEqual(["a", "b"]);
    await target.crash?.(first);
    const { endFactor, endLagMs } = first.capabilities.session;
    const next = await settled(waiting, ttl * endFactor + endLagMs);
    expect(next.token).toBeGreaterThan(lock.token);
    await clock.advance(100);
    expect([left.isLeader, right.isLeader, lock.held, next.held]).toEqual([false, true, false, true]);
    await settled(a.stop());
    await settled(b.stop());
    await target.cleanup?.();
  },
);

test("the suite runs without a test runner, and reports every case once", async () => {
  const reported: string[] = [];
  const summary = await runCoordinationConformance(etcdTarget(), {
    report: ({ group, name }) => reported.push(`${group}: ${name}`),
  });
  expect([summary.failed, new Set(reported).size]).toEqual([0, reported.length]);
  expect(summary.passed).toBeGreaterThan(45);
});
