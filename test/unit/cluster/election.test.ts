import { expect, test } from "vitest";
import { Cluster, type Election } from "../../../src/cluster/index.ts";
import { MemoryCoordination, memoryCoordinationStore } from "../../../src/drivers/memory/coordination-store.ts";
import { JobferryError } from "../../../src/errors/index.ts";
import { newStage, TTL, type Node } from "./stage.ts";

async function candidates(
  count: number,
): Promise<{ stage: ReturnType<typeof newStage>; nodes: Node[]; elections: Election[] }> {
  const stage = newStage();
  const nodes: Node[] = [];
  const elections: Election[] = [];
  for (let n = 1; n <= count; n += 1) {
    const node = await stage.started(`node-${n}`);
    nodes.push(node);
    elections.push(await stage.settled(node.cluster.elect()));
  }
  await stage.pass(0);
  return { stage, nodes, elections };
}

const leading = (elections: readonly Election[]): readonly number[] =>
  elections.flatMap((election, index) => (election.isLeader ? [index] : []));

test("the first candidate leads, and everybody knows it", async () => {
  const { nodes, elections } = await candidates(3);
  expect(leading(elections)).toEqual([0]);
  expect(nodes.map(({ cluster }) => cluster.leader?.nodeId)).toEqual(["node-1", "node-1", "node-1"]);
  const term = elections[0]?.leadership?.term;
  expect(nodes.map(({ cluster }) => cluster.leader?.term)).toEqual([term, term, term]);
});

test("a graceful stop hands over in no time, with a higher term, and the old leader is told first", async () => {
  const { stage, nodes, elections } = await candidates(3);
  const before = elections[0]?.leadership;
  const order: string[] = [];
  before?.lost.addEventListener("abort", () => order.push("old one lost"));
  elections[1]?.on("elected", () => order.push("next one elected"));
  const start = stage.clock.monotonic();
  await nodes[0]?.cluster.stop();
  await stage.pass(0);
  expect(leading(elections)).toEqual([1]);
  expect(stage.clock.monotonic()).toBe(start);
  expect(order).toEqual(["old one lost", "next one elected"]);
  expect(elections[1]?.leadership?.term).toBeGreaterThan(before?.term ?? 0n);
  expect(before?.lost.reason).toMatchObject({ code: "SHUTDOWN" });
});

test("the others send no request when the leader changes", async () => {
  const { stage, nodes, elections } = await candidates(4);
  const before = nodes.slice(1).map(({ line }) => line.requests);
  await nodes[0]?.cluster.stop();
  await stage.pass(0);
  expect(leading(elections)).toEqual([1]);
  expect(nodes.slice(1).map(({ line }) => line.requests)).toEqual(before);
});

test("a leader that died is followed within its time-out and a half", async () => {
  const { stage, nodes, elections } = await candidates(3);
  nodes[0]?.line.die();
  await stage.pass(TTL * 0.5);
  expect(elections[1]?.isLeader).toBe(false);
  await stage.pass(TTL);
  expect(leading(elections.slice(1))).toEqual([0]);
});

test("a leader that is cut off steps down by its own clock before another one leads", async () => {
  const { stage, nodes, elections } = await candidates(2);
  const times: Record<string, number> = {};
  elections[0]?.leadership?.lost.addEventListener("abort", () => (times["deposed"] = stage.clock.monotonic()));
  elections[1]?.on("elected", () => (times["elected"] = stage.clock.monotonic()));
  const heal = nodes[0]?.line.cut();
  await stage.pass(TTL * 1.5);
  expect(times["deposed"]).toBeLessThan(times["elected"] ?? 0);
  expect(leading(elections)).toEqual([1]);
  heal?.();
  await stage.pass(TTL * 2);
  // It is back under a new session, at the end of the line.
  expect(leading(elections)).toEqual([1]);
  expect(nodes[0]?.cluster.isJoined).toBe(true);
  await stage.settled(nodes[1]?.cluster.stop() ?? Promise.resolve());
  await stage.pass(0);
  expect(elections[0]?.isLeader).toBe(true);
});

test("after a pause past its time the first look says that it does not lead, before any timer fired", async () => {
  const stage = newStage();
  let offset = 0;
  const paused = {
    now: () => stage.clock.now(),
    monotonic: () => stage.clock.monotonic() + offset,
    timer: stage.clock.timer.bind(stage.clock),
    random: () => stage.clock.random(),
  };
  const cluster = new Cluster(memoryCoordinationStore(new MemoryCoordination()), {
    nodeId: "sleeper",
    electionTimeout: TTL,
    clock: paused,
  });
  await cluster.start();
  const election = await cluster.elect();
  await stage.pass(0);
  const lock = await cluster.lock("a");
  expect([election.isLeader, lock.held]).toEqual([true, true]);
  offset = TTL;
  expect([election.isLeader, lock.held]).toEqual([false, false]);
  expect(lock.lost.reason).toMatchObject({ code: "SESSION_LOST" });
  await cluster.stop();
});

test("one who resigns and stands again is at the end of the line", async () => {
  const { stage, nodes, elections } = await candidates(2);
  await nodes[0]?.cluster.resign();
  await stage.pass(0);
  expect(leading(elections)).toEqual([1]);
  const again = await nodes[0]?.cluster.elect();
  await stage.pass(0);
  expect(again?.isLeader).toBe(false);
  await nodes[1]?.cluster.stop();
  await stage.pass(0);
  expect(again?.isLeader).toBe(true);
});

test("elected resolves when it leads, and rejects by its signal", async () => {
  const { stage, nodes, elections } = await candidates(2);
  const stop = new AbortController();
  const waiting = elections[1]?.elected();
  const refused = elections[1]?.elected(stop.signal).catch((error: unknown) => error);
  stop.abort(new Error("enough"));
  expect(await refused).toEqual(new Error("enough"));
  await nodes[0]?.cluster.stop();
  expect(await stage.settled(waiting ?? Promise.reject(new Error()))).toMatchObject({
    term: elections[1]?.leadership?.term,
  });
});

test("a place that somebody removed by hand is no leadership any more", async () => {
  const { stage, nodes, elections } = await candidates(2);
  const operator = memoryCoordinationStore(stage.memory);
  await operator.open({ clock: stage.clock });
  const { entries } = await operator.list("jobferry/election/");
  await operator.transact(
    [],
    [{ delete: entries.toSorted((a, b) => Number(a.version) - Number(b.version))[0]?.key ?? "" }],
  );
  await stage.pass(0);
  expect(leading(elections)).toEqual([1]);
  await stage.settled(nodes[1]?.cluster.stop() ?? Promise.resolve());
  await stage.pass(100);
  expect(leading(elections)).toEqual([0]);
  await operator.close();
});

test("listeners given to elect miss no event, also when the node leads already", async () => {
  const stage = newStage();
  const { cluster } = await stage.started("a");
  const events: string[] = [];
  const listen = (who: string) => ({
    onElected: ({ term }: { term: bigint }) => events.push(`${who} elected ${term > 0n}`),
    onDeposed: ({ reason }: { reason: { code: string } }) => events.push(`${who} ${reason.code}`),
  });
  await cluster.elect(listen("first"));
  await stage.pass(0);
  await cluster.elect(listen("second"));
  await stage.pass(0);
  await cluster.resign();
  expect(events).toEqual(["first elected true", "second elected true", "first SHUTDOWN", "second SHUTDOWN"]);
  await expect(cluster.elect({ onElect: () => undefined } as never)).rejects.toThrow(/Did you mean "onElected"/);
});

test("a place of a node that it does not know is removed, and keeps nobody from leading", async () => {
  const stage = newStage();
  const store = memoryCoordinationStore(stage.memory);
  await store.open({ clock: stage.clock });
  const ghost = new TextEncoder().encode(JSON.stringify({ node: "node-1", id: "unknown" }));
  await store.transact([], [{ put: "jobferry/election/unknown", value: ghost }]);
  const node = await stage.started("node-1");
  const election = await stage.settled(node.cluster.elect());
  await stage.pass(100);
  expect(election.isLeader).toBe(true);
  expect((await store.list("jobferry/election/")).entries).toHaveLength(1);
  await store.close();
});

test("a put that arrives after its node resigned is no candidate", async () => {
  const stage = newStage();
  const [a, b] = [await stage.started("a"), await stage.started("b")];
  const arrive = a.line.delayNext();
  await stage.settled(a.cluster.elect());
  const election = await stage.settled(b.cluster.elect());
  await stage.settled(a.cluster.resign());
  expect((await arrive()).ok).toBe(false);
  await stage.pass(0);
  expect(election.isLeader).toBe(true);
  expect([a.cluster.leader?.nodeId, b.cluster.leader?.nodeId]).toEqual(["b", "b"]);
  const again = await stage.settled(a.cluster.elect());
  await stage.settled(b.cluster.resign());
  await stage.pass(0);
  expect(again.isLeader).toBe(true);
});

test("a node whose place is gone, and who may not stand again, stands as soon as it may", async () => {
  const stage = newStage();
  const { cluster, line, errors } = await stage.started("a");
  const election = await stage.settled(cluster.elect());
  await stage.pass(0);
  const [place] = (await line.inner.list("jobferry/election/")).entries;
  const { transact } = line;
  let refused = 0;
  line.transact = async (compares, writes) => {
    refused += 1;
    if (refused <= 4) throw new JobferryError("ACCESS_DENIED", "Not now.");
    return transact(compares, writes);
  };
  await line.inner.transact([], [{ delete: place?.key ?? "" }]);
  await stage.pass(10);
  expect([election.isLeader, refused]).toEqual([false, 3]); // the lost place, the new one, and the mark in case that arrives
  await stage.pass(TTL);
  expect([refused > 4, election.isLeader]).toEqual([true, true]);
  expect(errors.map(({ code }) => code)).toContain("ACCESS_DENIED");
});

test("a node that sees its old place late does not remove the mark in it", async () => {
  const stage = newStage();
  const { cluster, line } = stage.node("a");
  const watch = line.watch.bind(line);
  let seesAll: Promise<void> = Promise.resolve();
  line.watch = async function* (prefix, options) {
    for await (const event of watch(prefix, options)) {
      await seesAll;
      yield event;
    }
  };
  await stage.settled(cluster.start());
  await stage.pass(0);
  const arrive = line.delayNext();
  await stage.settled(cluster.elect());
  await stage.pass(0);
  let see = (): void => undefined;
  seesAll = new Promise((resolve) => (see = resolve));
  await stage.settled(cluster.resign());
  await stage.settled(cluster.elect());
  await stage.pass(0);
  expect((await arrive()).ok).toBe(false);
  see();
});

test("a put that arrives after its place was removed by hand and its node resigned is no candidate", async () => {
  const stage = newStage();
  const { cluster, line } = await stage.started("a");
  const arrive = line.delayNext();
  await stage.settled(cluster.elect());
  await stage.pass(0);
  const [place] = (await line.inner.list("jobferry/election/")).entries;
  await line.inner.transact([], [{ delete: place?.key ?? "" }]);
  await stage.pass(100);
  await stage.settled(cluster.resign());
  expect((await arrive()).ok).toBe(false);
  await stage.pass(0);
  expect(cluster.leader).toBeUndefined();
});
