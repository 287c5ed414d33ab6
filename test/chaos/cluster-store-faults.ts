/** What is done to the store of a cluster. Afterwards somebody must lead: jobs would be run without. */
import { setTimeout as pause } from "node:timers/promises";
import type { RunningServer, ServerNode } from "../../scripts/servers/server.ts";
import type { Wait } from "./cluster-judge.ts";
import { bothMs, type Stage, untilElected, untilLed } from "./cluster-stage.ts";
import { groupOf } from "./cluster-stores.ts";
import { machineMs } from "./log.ts";
import type { Group } from "./redis-groups.ts";
import { electedLeader, electionAmong, isVoted, isWhole, splitLeader, type VotedStore } from "./voted-servers.ts";

const LOOK_MS = 250;

/** Killed and there again; of a group the primary, whose place another one takes. */
export async function killStore(stage: Stage): Promise<readonly Wait[]> {
  const { store, ttlMs } = stage;
  const server = serverIn(stage);
  if (isVoted(store)) {
    const first = await electedLeader(store, server);
    const from = await away(stage, "killed", async () => {
      await first.kill();
      await pause(2 * ttlMs);
      await first.restart();
    });
    return [await untilLed(stage, "killStore", { from })];
  }
  const group = groupOf(store);
  const from = await away(stage, "killed", async () => {
    if (group !== undefined) return group.failOver(server);
    await server.kill();
    await pause(ttlMs / 4);
    await server.restart();
  });
  return group === undefined ? back(stage, "killStore", from) : backInGroup(stage, group, from);
}

/**
 * A primary without its replica takes no writes here, and a group may break once more: half a second after a restarted server had replicated the primary
 * for a whole one, it was seen to leave it, and Sentinel needed 12 s to put that right. What must come counts from when the group was whole for the last time.
 */
async function backInGroup(stage: Stage, group: Group, from: number): Promise<readonly Wait[]> {
  const server = serverIn(stage);
  let wholeSince = from;
  let isOver = false;
  const watch = async (): Promise<void> => {
    while (!isOver) {
      if (!(await group.looksWhole(server)))
        wholeSince = await away(stage, "broken once more", () => group.isWhole(server));
      await pause(LOOK_MS);
    }
  };
  const [waits] = await Promise.all([back(stage, "killStore", from).finally(() => (isOver = true)), watch()]);
  return waits.map((wait) => ({ ...wait, from: wholeSince, ms: Math.max(0, wait.from + wait.ms - wholeSince) }));
}

export async function freezeStore(stage: Stage): Promise<readonly Wait[]> {
  const first = await electedLeader(votedIn(stage), serverIn(stage));
  const from = await away(stage, "frozen", async () => {
    await first.pause();
    await pause(3 * stage.ttlMs);
    await first.resume();
  });
  return back(stage, "freezeStore", from);
}

/** Its leader serves on and has no majority: who is connected to it must not believe it. */
export async function loneStore(stage: Stage): Promise<readonly Wait[]> {
  const server = serverIn(stage);
  const first = await electedLeader(votedIn(stage), server);
  const others = server.nodes.filter((node) => node !== first);
  const from = await away(stage, "left alone", async () => {
    await Promise.all(others.map((node) => node.pause()));
    await pause(3 * stage.ttlMs);
    await Promise.all(others.map((node) => node.resume()));
  });
  return back(stage, "loneStore", from);
}

/** The others do not reach it and elect another one; nodes of the cluster reach both. */
export async function splitStore(stage: Stage): Promise<readonly Wait[]> {
  const from = await away(stage, "split", async () => {
    const heal = await splitLeader(votedIn(stage), serverIn(stage), stage.hosts);
    await pause(3 * stage.ttlMs);
    await heal();
  });
  return back(stage, "splitStore", from);
}

export async function partStore(stage: Stage): Promise<readonly Wait[]> {
  const server = serverIn(stage);
  const first = await electedLeader(votedIn(stage), server);
  const from = await away(stage, "cut off", async () => {
    const heal = stage.nodes.partServer(server.nodes.indexOf(first));
    await pause(2 * stage.ttlMs);
    await heal();
  });
  return back(stage, "partStore", from);
}

/** The node that leads and the store's leader at once: sessions begin anew with the next leader of the store. */
export function killBoth(stage: Stage, leader: string): Promise<readonly Wait[]> {
  const both: Blow = { strike: (first) => first.kill(), mend: (first) => first.restart() };
  return withLeader(stage, "killBoth", leader, both);
}

/** The node that leads dies, the store's leader stands still. */
export function killLeaderFreezeStore(stage: Stage, leader: string): Promise<readonly Wait[]> {
  const both: Blow = { strike: (first) => first.pause(), mend: (first) => first.resume() };
  return withLeader(stage, "killLeaderFreezeStore", leader, both);
}

/** To the store's leader. */
type Blow = Readonly<Record<"strike" | "mend", (first: ServerNode) => Promise<void>>>;

async function withLeader(stage: Stage, fault: string, leader: string, blow: Blow): Promise<readonly Wait[]> {
  const first = await electedLeader(votedIn(stage), serverIn(stage));
  const waits: Wait[] = [];
  const from = await away(stage, fault, async () => {
    try {
      waits.push(...(await loseBoth(stage, fault, leader, first, blow)));
    } finally {
      // Also where the others elect nobody: what is read behind it would only tell that the store is away.
      await blow.mend(first);
    }
  });
  return [...waits, ...(await back(stage, fault, from))];
}

/** How long the servers take to elect is told and not judged. */
async function loseBoth(
  stage: Stage,
  fault: string,
  leader: string,
  first: ServerNode,
  { strike }: Blow,
): Promise<readonly Wait[]> {
  const others = serverIn(stage).nodes.filter((node) => node !== first);
  const at = machineMs();
  const [from] = await Promise.all([electionAmong(votedIn(stage), others), strike(first), stage.nodes.kill(leader)]);
  const own: Wait = { fault, what: "the store's own leader", from: at, ms: from - at, boundMs: Infinity, without: "" };
  return [own, await untilElected(stage, fault, { from, after: at, boundMs: bothMs(stage), without: leader })];
}

/** The jobs are in the store too: nobody is to blame for a lease that is lost meanwhile. Resolves to when it was there again. */
async function away({ store, server, log }: Stage, why: string, act: () => Promise<void>): Promise<number> {
  log.write({ type: "away", why });
  await act();
  const from = machineMs();
  if (server !== undefined && isVoted(store)) await isWhole(store, server);
  log.write({ type: "back", why });
  return from;
}

async function back(stage: Stage, fault: string, from: number): Promise<readonly Wait[]> {
  const [led] = await Promise.all([untilLed(stage, fault, { from }), pause(2 * stage.ttlMs)]);
  return [led];
}

function serverIn({ store, server }: Stage): RunningServer {
  if (server === undefined) throw new Error(`${store} has no server.`);
  return server;
}

function votedIn({ store }: Stage): VotedStore {
  if (!isVoted(store)) throw new Error(`The servers of ${store} do not vote.`);
  return store;
}
