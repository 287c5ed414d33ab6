/** What is done to the nodes of a cluster. */
import { setTimeout as pause } from "node:timers/promises";
import type { Wait } from "./cluster-judge.ts";
import { awayMs, crashMs, type Stage, untilElected, untilHandedOver, untilLed, untilMember } from "./cluster-stage.ts";
import { machineMs } from "./log.ts";

export async function killLeader(stage: Stage, leader: string): Promise<readonly Wait[]> {
  const from = machineMs();
  await stage.nodes.kill(leader);
  return [await untilElected(stage, "killLeader", { from, boundMs: crashMs(stage), without: leader })];
}

/** SIGSTOP past its time: it wakes up deposed. */
export async function freezeLeader(stage: Stage, leader: string): Promise<readonly Wait[]> {
  const from = machineMs();
  const wake = stage.nodes.freeze(leader);
  const next = await untilElected(stage, "freezeLeader", { from, boundMs: crashMs(stage), without: leader });
  await pause(stage.ttlMs / 2);
  const woken = machineMs();
  wake();
  // Until it knows that it is deposed it passes for a member, and the next fault would begin without it.
  return [next, await untilMember(stage, "freezeLeader", leader, woken)];
}

export async function partLeader(stage: Stage, leader: string): Promise<readonly Wait[]> {
  const from = machineMs();
  const heal = stage.nodes.part(leader);
  const next = await untilElected(stage, "partLeader", { from, boundMs: crashMs(stage), without: leader });
  await pause(stage.ttlMs / 2);
  await heal();
  return [next];
}

export async function retireLeader(stage: Stage, leader: string): Promise<readonly Wait[]> {
  // It commits, too: of three servers each write needs two, which are busy with other things (105 and 117 ms were seen), and a file waits for its disk.
  return [await untilHandedOver(stage, "retireLeader", leader)];
}

export async function killFollower(stage: Stage, _: string, follower: string): Promise<readonly Wait[]> {
  const from = machineMs();
  await stage.nodes.kill(follower);
  return [await untilLed(stage, "killFollower", { from, boundMs: crashMs(stage), without: follower })];
}

export async function freezeFollower(stage: Stage, _: string, follower: string): Promise<readonly Wait[]> {
  const from = machineMs();
  const wake = stage.nodes.freeze(follower);
  await pause(awayMs(stage));
  const led = await untilLed(stage, "freezeFollower", { from, boundMs: crashMs(stage), without: follower });
  const woken = machineMs();
  wake();
  return [led, await untilMember(stage, "freezeFollower", follower, woken)];
}

export async function partFollower(stage: Stage, _: string, follower: string): Promise<readonly Wait[]> {
  const from = machineMs();
  const heal = stage.nodes.part(follower);
  await pause(awayMs(stage));
  const led = await untilLed(stage, "partFollower", { from, boundMs: crashMs(stage), without: follower });
  const healed = machineMs();
  await heal();
  return [led, await untilMember(stage, "partFollower", follower, healed)];
}

/** Each node is asked to end and replaced, under load. */
export async function rollingRestart(stage: Stage): Promise<readonly Wait[]> {
  const { nodes } = stage;
  const handOvers: Wait[] = [];
  for (const name of nodes.names) {
    if (name === nodes.leader) handOvers.push(await untilHandedOver(stage, "rollingRestart", name));
    else await nodes.retire(name);
    await nodes.start();
  }
  return [...handOvers, await untilLed(stage, "rollingRestart", { from: machineMs(), boundMs: crashMs(stage) })];
}
