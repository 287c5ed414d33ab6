/**
 * Processes whose wall clocks differ, on a store that tells them no time (T7): leases, locks and leadership go by elapsed time, and a delay by the clocks of those who push
 * and look, so it is wrong by as much as they differ at most.
 */
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { type Clock, type Cluster, createJob, type Queue } from "jobferry";
import { systemClock } from "../../src/runtime/index.ts";

const HOUR = 3_600_000;
const LEASE_MS = 700;
/** What may come late on a busy machine. Nothing may come early, but for whole milliseconds. */
const LATE_MS = 8_000;
const GRAIN_MS = 5;

/** Small, so that a delay can be waited for. */
const SKEW_MS = 1_000;
const DELAY_MS = 3_500;
const JOBS = 5;

const TTL_MS = 4_000;

type SettableClock = Clock & { skewMs: number };

function clockAt(skewMs: number): SettableClock {
  const clock: SettableClock = {
    skewMs,
    now: () => systemClock.now() + clock.skewMs,
    monotonic: () => systemClock.monotonic(),
    random: () => systemClock.random(),
    timer: (delayMs, callback, options) => systemClock.timer(delayMs, callback, options),
  };
  return clock;
}

/** Each makes one more process on a place of its own, by its name. */
type Store = Readonly<{
  queue: (clock: Clock, place: string) => Promise<Queue>;
  cluster: (clock: Clock, place: string, nodeId: string, electionTimeout: number) => Promise<Cluster>;
}>;

export function skewedProcesses(name: string, store: Store): void {
  test.concurrent(`${name}: with clocks hours apart a lease lasts as long as it should`, () => keepsLeases(store));
  test.concurrent(`${name}: no delayed job comes earlier than the clocks differ, and none is lost`, () =>
    keepsDelays(store));
  test.concurrent(`${name}: clocks hours apart, and set, change no lock and no leader`, () => keepsLocks(store));
}

async function keepsLeases({ queue }: Store): Promise<void> {
  const clocks = [-2 * HOUR, 0, 2 * HOUR].map(clockAt);
  const queues = await Promise.all(clocks.map((clock) => queue(clock, "leases")));
  for (const [i, pusher] of queues.entries()) {
    const popper = queues[(i + 1) % queues.length] ?? pusher;
    await pusher.push(createJob("now"));
    const asked = systemClock.monotonic();
    const job = await popper.pop({ wait: "20s", lease: LEASE_MS });
    const came = systemClock.monotonic();
    const again = await pusher.pop({ wait: "20s" });
    const cameAgain = systemClock.monotonic();
    expect(again?.id).toBe(job?.id);
    expect(cameAgain - asked, "not early").toBeGreaterThanOrEqual(LEASE_MS - GRAIN_MS);
    expect(cameAgain - came, "not hours late").toBeLessThan(LEASE_MS + LATE_MS);
    await expect(job?.complete()).rejects.toMatchObject({ code: "LEASE_LOST" });
    await again?.complete();
  }
  expect(await queues[0]?.getStats()).toMatchObject({ pendingJobs: 0, reservedJobs: 0, completedJobs: queues.length });
  await Promise.all(queues.map((one) => one.close()));
}

async function keepsDelays({ queue }: Store): Promise<void> {
  const queues = await Promise.all([-SKEW_MS, 0, SKEW_MS].map((ms) => queue(clockAt(ms), "delays")));
  const pushed = new Map<string, Readonly<{ from: number; until: number }>>();
  for (const pusher of queues) {
    const from = systemClock.monotonic();
    const jobs = await pusher.pushBatch(Array.from({ length: JOBS }, () => createJob("later", { delay: DELAY_MS })));
    for (const { id } of jobs) pushed.set(id, { from, until: systemClock.monotonic() });
  }
  const started = new Map<string, number>();
  const work = async (one: Queue): Promise<void> => {
    while (started.size < pushed.size) {
      const job = await one.pop({ wait: "1s" });
      if (job === undefined) continue;
      expect(started.has(job.id), "each once").toBe(false);
      started.set(job.id, systemClock.monotonic());
      await job.complete();
    }
  };
  await Promise.all(queues.map(work));
  const differ = 2 * SKEW_MS;
  for (const [id, { from, until }] of pushed) {
    const at = started.get(id) ?? Infinity;
    expect(at - from, "no earlier than they differ").toBeGreaterThanOrEqual(DELAY_MS - differ - GRAIN_MS);
    expect(at - until, "no later than that").toBeLessThan(DELAY_MS + differ + LATE_MS);
  }
  await Promise.all(queues.map((one) => one.close()));
}

async function onlyOneLeads(elections: readonly Readonly<{ isLeader: boolean }>[]): Promise<void> {
  const count = (): number => elections.filter(({ isLeader }) => isLeader).length;
  const giveUpAt = systemClock.monotonic() + LATE_MS;
  while (count() === 0 && systemClock.monotonic() < giveUpAt) await pause(20);
  expect(count()).toBe(1);
}

async function keepsLocks({ cluster }: Store): Promise<void> {
  const clocks = [-2 * HOUR, 0, 2 * HOUR].map(clockAt);
  const nodes = await Promise.all(clocks.map((clock, i) => cluster(clock, "locks", `node-${i}`, TTL_MS)));
  const elections = await Promise.all(nodes.map((node) => node.elect()));
  await onlyOneLeads(elections);
  const [holder, waiter] = nodes as [Cluster, Cluster];
  const lock = await holder.lock("report");
  let isTaken = false;
  const taken = waiter.lock("report").finally(() => (isTaken = true));
  const leads = (): readonly boolean[] => elections.map(({ isLeader }) => isLeader);
  const before = leads();
  for (const [i, clock] of clocks.entries()) {
    clock.skewMs += (i % 2 === 0 ? 5 : -5) * HOUR;
    await pause(TTL_MS / 2);
    expect([lock.held, isTaken, ...leads()]).toEqual([true, false, ...before]);
  }
  const released = systemClock.monotonic();
  await lock.release();
  const next = await taken;
  expect(systemClock.monotonic() - released).toBeLessThan(LATE_MS);
  expect(next.token).toBeGreaterThan(lock.token);
  const leader = before.indexOf(true);
  await nodes[leader]?.stop();
  const others = elections.filter((_, i) => i !== leader);
  await onlyOneLeads(others);
  await Promise.all(nodes.map((node) => node.stop()));
}
