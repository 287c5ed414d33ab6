/** What a fault finds, and the waits for what must come back after it. */
import { setTimeout as pause } from "node:timers/promises";
import type { Hosts } from "../../scripts/servers/hosts.ts";
import type { RunningServer } from "../../scripts/servers/server.ts";
import type { ClusterFleet } from "./cluster-fleet.ts";
import { HAND_OVER, HAND_OVER_MS, type Wait } from "./cluster-judge.ts";
import { ledAfter, writesIn } from "./cluster-register.ts";
import type { ClusterStore } from "./cluster-stores.ts";
import { type LogWriter, machineMs } from "./log.ts";
import { LEASE_OF_KEYS_MS } from "./scenarios.ts";
import { isVoted } from "./voted-servers.ts";

export const leaseMsOn = (store: ClusterStore): number => (isVoted(store) ? LEASE_OF_KEYS_MS : 3_000);
/** How long anybody waits, in time-outs, for what may never come. */
const PATIENCE = 10;
/** The guides' promise: clients go on by themselves within so much of a server's return. */
const RECONNECT_MS = 5_000;
const LOOK_MS = 50;
const WRITE_PAUSE_MS = 2;

export type Stage = Readonly<{
  store: ClusterStore;
  ttlMs: number;
  /** How many nodes it has when it is whole. */
  size: number;
  nodes: ClusterFleet;
  server: RunningServer | undefined;
  /** Of its servers. */
  hosts: Hosts | undefined;
  /** The file to which leaders write. */
  register: string;
  log: LogWriter;
  /** One write that lasts, as a hand-over is, by nobody of the cluster: how fast the store is at this moment. */
  write: () => Promise<unknown>;
}>;

export const patienceMs = ({ ttlMs }: Pick<Stage, "ttlMs">): number => PATIENCE * ttlMs;

/** Consul ends a session after twice its time to live. */
export const crashMs = ({ store, ttlMs }: Stage): number => (store === "consul" ? 2.5 : 1.5) * ttlMs;

/**
 * In which nodes find another server and hear from it what has ended. Less than RECONNECT_MS, because the session of who led lasts meanwhile: 3 s with the servers' election, which on
 * etcd and Consul begins after one of them at the earliest.
 */
const NOTICE_MS = 2_000;

/**
 * The node that leads and the store's leader die together: the new leader of the store lets all sessions begin anew, and knows of the dead one nothing but that. So this counts
 * from its election, whose own time varies by seconds (votes are split). On etcd twice the time-out, on Consul the twice of it after which sessions end, on ZooKeeper one and a tick.
 */
export const bothMs = (stage: Stage): number =>
  Math.max(crashMs(stage), stage.store === "etcd" ? 2 * stage.ttlMs : 0) + NOTICE_MS;

/** The session of who led may just have been renewed when the store went, and lives on in it; its node, or the next one, must first have reached it again. */
const returnMs = (stage: Stage): number => crashMs(stage) + RECONNECT_MS;

/** As long as a node's session and the leases of its jobs last, and half of it more. */
export const awayMs = ({ ttlMs, store }: Stage): number => 1.5 * Math.max(ttlMs, leaseMsOn(store));

/** `after`: of the fault, where the wait counts from something later. */
export async function untilElected(
  stage: Stage,
  fault: string,
  { from, boundMs, without, after = from }: Pick<Wait, "from" | "boundMs" | "without"> & Readonly<{ after?: number }>,
): Promise<Wait> {
  const at = (await stage.nodes.elected(after, patienceMs(stage))) ?? Infinity;
  return { fault, what: "a new leader", from, ms: Math.max(0, at - from), boundMs, without };
}

/**
 * The hand-over of a node that is asked to end under load. Where it needs a disk, or several processes of a busy machine, it may take as long as ten of the writes that
 * are made meanwhile (a load of 35 on two cores was seen to make 178 ms of it), but the shortest of a run may not: `judgeHandOvers`.
 */
export async function untilHandedOver(stage: Stage, fault: string, name: string): Promise<Wait> {
  const asked = machineMs();
  let slowestMs = 0;
  let isOver = false;
  const left = stage.nodes.retire(name);
  const elected = stage.nodes.elected(asked, patienceMs(stage)).finally(() => (isOver = true));
  while (!isOver) {
    const begun = machineMs();
    await stage.write();
    slowestMs = Math.max(slowestMs, machineMs() - begun);
    // Without it they would take a core from what they measure.
    await pause(WRITE_PAUSE_MS);
  }
  const [from, at = Infinity] = await Promise.all([left, elected]);
  return {
    fault,
    what: HAND_OVER,
    from,
    ms: at - from,
    boundMs: Math.max(HAND_OVER_MS, 10 * slowestMs),
    without: name,
  };
}

/** Whoever leads is at work. Resolves to what must be told when nobody is. */
export async function untilWritten(stage: Stage, fault: string): Promise<readonly Wait[]> {
  const from = machineMs();
  const boundMs = patienceMs(stage);
  const isWritten = (): boolean => writesIn(stage.register, from).some(({ accepted }) => accepted === 1);
  while (!isWritten()) {
    if (machineMs() > from + boundMs) return [{ fault, what: "a write", from, ms: Infinity, boundMs, without: "" }];
    await pause(LOOK_MS);
  }
  return [];
}

/** Somebody leads who knows it from the store as it was after that time. */
export async function untilLed(
  stage: Stage,
  fault: string,
  { from, boundMs = returnMs(stage), without = "" }: Pick<Wait, "from"> & Partial<Wait>,
): Promise<Wait> {
  const end = from + patienceMs(stage);
  let at: number | undefined;
  do {
    await pause(LOOK_MS);
    at = ledAfter(from, stage.ttlMs, writesIn(stage.register, from));
  } while (at === undefined && machineMs() < end);
  return { fault, what: "a leader", from, ms: at === undefined ? Infinity : at - from, boundMs, without };
}

/** The node, whose session had run out, is a member of the cluster again. */
export async function untilMember(stage: Stage, fault: string, name: string, from: number): Promise<Wait> {
  const at = await stage.nodes.rejoined(name, from, patienceMs(stage));
  const ms = at === undefined ? Infinity : at - from;
  return { fault, what: "the node's return", from, ms, boundMs: returnMs(stage), without: "" };
}
