/** What is done to the store of a cluster. Afterwards somebody must lead: jobs would be run without. */
import { setTimeout as pause } from "node:timers/promises";
import type { RunningServer } from "../../scripts/servers/server.ts";
import type { Wait } from "./cluster-judge.ts";
import { type Stage, untilLed } from "./cluster-stage.ts";
import { groupOf } from "./cluster-stores.ts";
import { machineMs } from "./log.ts";
import { isVoted, leaderOf, splitLeader, type VotedStore } from "./voted-servers.ts";

/** Killed and there again; of a group the primary, whose place another one takes. */
export async function killStore(stage: Stage): Promise<readonly Wait[]> {
  const { store, ttlMs, log } = stage;
  const server = serverIn(stage);
  if (isVoted(store)) {
    const first = await leaderOf(store, server);
    await first.kill();
    await pause(2 * ttlMs);
    await first.restart();
    return [await untilLed(stage, "killStore", { from: machineMs() })];
  }
  log.write({ type: "away", why: "killed" });
  const group = groupOf(store);
  if (group === undefined) {
    await server.kill();
    await pause(ttlMs / 4);
    await server.restart();
  } else {
    await group.failOver(server);
  }
  log.write({ type: "back", why: "killed" });
  return back(stage, "killStore");
}

export async function freezeStore(stage: Stage): Promise<readonly Wait[]> {
  const first = await leaderOf(votedIn(stage), serverIn(stage));
  await first.pause();
  await pause(3 * stage.ttlMs);
  await first.resume();
  return back(stage, "freezeStore");
}

/** Its leader serves on and has no majority: who is connected to it must not believe it. */
export async function loneStore(stage: Stage): Promise<readonly Wait[]> {
  const server = serverIn(stage);
  const first = await leaderOf(votedIn(stage), server);
  const others = server.nodes.filter((node) => node !== first);
  await Promise.all(others.map((node) => node.pause()));
  await pause(3 * stage.ttlMs);
  await Promise.all(others.map((node) => node.resume()));
  return back(stage, "loneStore");
}

/** The others do not reach it and elect another one; nodes of the cluster reach both. */
export async function splitStore(stage: Stage): Promise<readonly Wait[]> {
  const heal = await splitLeader(votedIn(stage), serverIn(stage), stage.hosts);
  await pause(3 * stage.ttlMs);
  await heal();
  return back(stage, "splitStore");
}

export async function partStore(stage: Stage): Promise<readonly Wait[]> {
  const server = serverIn(stage);
  const heal = stage.nodes.partServer(server.nodes.indexOf(await leaderOf(votedIn(stage), server)));
  await pause(2 * stage.ttlMs);
  await heal();
  return back(stage, "partStore");
}

async function back(stage: Stage, fault: string): Promise<readonly Wait[]> {
  const [led] = await Promise.all([untilLed(stage, fault, { from: machineMs() }), pause(2 * stage.ttlMs)]);
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
