/** Wall clocks that differ by hours and are set while the cluster works. Nothing of it is counted by them. */
import { expect, test } from "vitest";
import type { Clock } from "../../../src/contract/index.ts";
import { newStage, TTL, type Node, type Stage } from "./stage.ts";

const HOUR = 3_600_000;

type Skewed = Node & Readonly<{ skew: { ms: number } }>;

async function skewed(stage: Stage, nodeId: string, ms: number): Promise<Skewed> {
  const skew = { ms };
  const { clock } = stage;
  const own: Clock = {
    now: () => clock.now() + skew.ms,
    monotonic: () => clock.monotonic(),
    random: () => clock.random(),
    timer: (delayMs, callback, options) => clock.timer(delayMs, callback, options),
  };
  const node = stage.node(nodeId, { clock: own, keepMessages: "10s" });
  // The store has a clock of its own.
  node.line.open = () => node.line.inner.open({ clock });
  await stage.settled(node.cluster.start());
  return { ...node, skew };
}

test("change no leader, no lock, no member, and lose no message; an end and a crash are seen in the same time as ever", async () => {
  const stage = newStage();
  const nodes = [await skewed(stage, "a", -2 * HOUR), await skewed(stage, "b", 0), await skewed(stage, "c", 2 * HOUR)];
  const [a, b, c] = nodes as [Skewed, Skewed, Skewed];
  const heard: unknown[] = [];
  const gaps: unknown[] = [];
  await stage.settled(
    c.cluster.subscribe("news", ({ data }) => void heard.push(data), { onGap: (gap) => void gaps.push(gap) }),
  );
  const elections = await stage.settled(Promise.all(nodes.map(({ cluster }) => cluster.elect())));
  await stage.pass(0);
  const lock = await stage.settled(b.cluster.lock("report"));
  const { leader } = a.cluster;
  expect(leader).toBeDefined();
  for (const [step, node] of [a, b, c, a, b, c].entries()) {
    node.skew.ms += (step % 2 === 0 ? 1 : -1) * 5 * HOUR;
    await stage.settled(a.cluster.broadcast("news", step));
    await stage.pass(TTL);
    expect(nodes.map(({ cluster }) => cluster.leader)).toEqual([leader, leader, leader]);
    expect(elections.filter(({ isLeader }) => isLeader)).toHaveLength(1);
    expect([lock.held, (await c.cluster.nodes()).map(({ id }) => id)]).toEqual([true, ["a", "b", "c"]]);
  }
  expect([heard, gaps, nodes.flatMap(({ errors }) => errors)]).toEqual([[0, 1, 2, 3, 4, 5], [], []]);

  const waiting = c.cluster.lock("report");
  await stage.pass(0);
  await stage.settled(b.cluster.stop());
  expect((await stage.settled(waiting, 100)).token).toBeGreaterThan(lock.token);
  const victim = nodes.find(({ cluster }) => cluster.isLeader) ?? a;
  victim.line.die();
  const heir = [a, c].find((node) => node !== victim) ?? c;
  await stage.pass(TTL * 1.5);
  expect(heir.cluster.isLeader).toBe(true);
});
