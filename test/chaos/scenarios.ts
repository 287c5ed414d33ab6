/** What is done to the processes; the same on every backend. */
import type { Duration } from "../../src/runtime/index.ts";
import { EVERYDAY, NOTHING_FAILS, WELL_BEHAVED } from "./job-plan.ts";
import type { Scenario, Stage } from "./scenario.ts";
import { every, type StoreFaults, type Way } from "./store.ts";
import type { LeaderFaults } from "./voted-servers.ts";

const HOUR_MS = 3_600_000;

const everyday = {
  producers: 1,
  workers: 3,
  leaseMs: 2_000,
  concurrency: 5,
  mix: EVERYDAY,
  delays: true,
  maxLosses: 3,
  burst: 20,
  pauseMs: 200,
  healthyLosses: 0,
} as const;

/** What everybody may lose while the store is away. */
const disturbed = { ...everyday, maxLosses: 20, drainSeconds: 90, keepsCompleted: true } as const;

/** Most jobs of one producer: less than the backlog that such a store takes. */
const MOST_WAITING = 4_000;
const JOBS_A_SECOND = 100;

/**
 * The jobs are there before most processes have started. Leases and sessions are so long that none is over because the processes share few cores: each job is
 * leased once.
 */
function claiming(popBatch: number, seconds: number): Scenario {
  return {
    ...everyday,
    name: `claims of ${popBatch} at once from one queue`,
    seconds,
    workers: 32,
    most: Math.min(MOST_WAITING, Math.round(JOBS_A_SECOND * seconds)),
    mix: {},
    delays: false,
    leaseMs: 60_000,
    sessionTtl: "20s",
    burst: 100,
    pauseMs: 0,
    drainSeconds: 90,
    popBatch,
    faults: async () => undefined,
  };
}

export type Name = keyof typeof BUILDERS;

const BUILDERS = {
  /**
   * SIGKILL to a worker every second. With leases of two seconds a job came back as long before a kill as it was started before the one that lost it, and some were killed three
   * times by nothing but that.
   */
  killedWorkers: (seconds: number): Scenario => ({
    ...everyday,
    name: "SIGKILL a worker every second",
    seconds,
    leaseMs: 2_400,
    // So that nearly every kill meets somebody's lease.
    mix: { ...EVERYDAY, lingers: 20 },
    faults: ({ workers, signal }) => every(1_000, signal, () => workers.kill(), Math.max(4, seconds / 2)),
  }),

  /** SIGKILL to a producer in the middle of its batches. */
  killedProducers: (seconds: number): Scenario => ({
    ...everyday,
    name: "SIGKILL a producer in mid-batch",
    seconds,
    workers: 2,
    mix: {},
    delays: false,
    burst: 120,
    pauseMs: 0,
    // Until some have met a push: on a fast store a producer plans and writes down most of the time.
    faults: ({ producers, signal }) => every(350, signal, () => producers.killInPush(), 3),
  }),

  /** SIGSTOP to a worker for longer than its leases, so that it acknowledges late. */
  frozenWorkers: (seconds: number): Scenario => ({
    ...everyday,
    name: "SIGSTOP a worker past its leases",
    seconds,
    // About as many jobs as the slots can hold, so that each stop meets some.
    mix: WELL_BEHAVED,
    burst: 15,
    // A process that is stopped while it writes keeps the file's lock: the others cannot renew meanwhile.
    healthyLosses: 3 * seconds,
    maxLosses: 20,
    faults: stopsWorkers(1.5),
  }),

  /** The machine's wall clock is set an hour ahead and back. */
  clockSteps: (seconds: number): Scenario => ({
    ...everyday,
    name: "wall clock steps by an hour",
    seconds,
    workers: 2,
    clockSteps: true,
    faults: stepClock,
  }),

  /** Jobs that kill, abort or exhaust whatever runs them. */
  poison: (seconds: number): Scenario => ({
    ...everyday,
    name: "jobs that kill their worker",
    seconds,
    workers: 2,
    concurrency: 3,
    leaseMs: 1_000,
    mix: { lingers: 10, killsItself: 4, aborts: 4, eatsMemory: 3 },
    maxLosses: 20,
    most: 6 * seconds,
    burst: 10,
    pauseMs: 500,
    poison: true,
    nodeOptions: ["--max-old-space-size=48"],
    drainSeconds: 90,
    faults: async () => undefined,
  }),

  /** Workers are asked to end, again and again. */
  restarts: (seconds: number): Scenario => ({
    ...everyday,
    name: "workers stopped and started",
    seconds,
    workers: 2,
    faults: ({ workers, signal }) => every(400, signal, () => workers.retire()),
  }),

  // Those below need a server.

  /** SIGKILL of the server, and a new start on the same data, during push, run and acknowledgement. */
  killedServer: (seconds: number): Scenario => ({
    ...disturbed,
    name: "SIGKILL and restart of the server",
    seconds,
    unseenSeconds: 11,
    faults: ({ store, signal }) => every(2_500, signal, () => store.killServer(), 2),
  }),

  /** SIGKILL of the primary, and another one in its place, during push, run and acknowledgement. */
  failOver: (seconds: number): Scenario => ({
    ...disturbed,
    name: "SIGKILL of the primary and fail-over",
    seconds,
    faults: ({ store, signal }) => every(2_500, signal, () => groupOf(store)(), 2),
  }),

  /** SIGSTOP of the server for longer than the leases. */
  frozenServer: (seconds: number): Scenario => ({
    ...disturbed,
    name: "SIGSTOP of the server past the leases",
    seconds,
    faults: ({ store, signal, leaseMs }) => every(3_000, signal, () => store.freezeServer(leaseMs * 1.5), 1),
  }),

  /** Connections are reset. */
  cutConnections: (seconds: number): Scenario => ({
    ...disturbed,
    name: "connections reset every 700 ms",
    seconds,
    faults: ({ store, signal }) => every(700, signal, () => wayOf(store).cut(), 4),
  }),

  /** Connections that look open and carry nothing, for longer than the leases. */
  halfOpenConnections: (seconds: number): Scenario => ({
    ...disturbed,
    name: "half-open connections",
    seconds,
    faults: ({ store, signal, leaseMs }) => every(3_000, signal, () => wayOf(store).halfOpen(leaseMs * 1.5), 1),
  }),

  /** The effect happened, the answer is lost. */
  droppedAnswers: (seconds: number): Scenario => ({
    ...disturbed,
    name: "answers dropped after the effect",
    seconds,
    faults: ({ store, signal }) => every(1_200, signal, () => wayOf(store).dropAnswers(300), 2),
  }),

  /** 100 ms more in each direction, and workers that are killed meanwhile. */
  slowConnections: (seconds: number): Scenario => ({
    ...disturbed,
    name: "slow connections and killed workers",
    seconds,
    faults: async ({ store, workers, signal }) => {
      await Promise.all([
        every(1_000, signal, () => wayOf(store).slow(100, 2_000), 1),
        every(1_500, signal, () => workers.kill(), 2),
      ]);
    },
  }),

  // Those below need servers that vote for a leader. Workers are killed meanwhile: what they held comes back over a change of the leader.

  /** SIGSTOP of the leader for longer than the leases. */
  frozenLeader: (seconds: number): Scenario => ({
    ...disturbed,
    name: "SIGSTOP of the store's leader past the leases",
    seconds,
    faults: (stage) => onLeader(stage, (leader) => leader.freeze(stage.leaseMs * 1.5), 1),
  }),

  /** No process reaches the leader, the other servers do. */
  partedLeader: (seconds: number): Scenario => ({
    ...disturbed,
    name: "the store's leader is cut off from all processes",
    seconds,
    faults: (stage) => onLeader(stage, (leader) => leader.part(stage.leaseMs * 1.5), 1),
  }),

  /** SIGSTOP of the two others: the leader serves on without a majority. */
  loneLeader: (seconds: number): Scenario => ({
    ...disturbed,
    name: "the store's leader is left alone",
    seconds,
    faults: (stage) => onLeader(stage, (leader) => leader.leaveAlone(stage.leaseMs * 1.5), 1),
  }),

  /** No other server reaches the leader, which many processes are connected to, and they elect another one. */
  splitLeader: (seconds: number): Scenario => ({
    ...disturbed,
    name: "the store's leader is cut off from the other servers",
    seconds,
    hasHosts: true,
    faults: (stage) => onLeader(stage, (leader) => leader.split(stage.leaseMs)),
  }),

  // Those below need a store of keys and transactions, where claims can spoil each other.

  /** Many processes that pop one job, a batch, or as many as fit, from the same queue. */
  claimOne: (seconds: number): Scenario => claiming(1, seconds),
  claimTwenty: (seconds: number): Scenario => claiming(20, seconds),
  claimHundred: (seconds: number): Scenario => claiming(100, seconds),

  /** A steady load, so long that a store which only grows shows it: nothing that stays in failed, which grows rightly. */
  soak: (seconds: number): Scenario => ({
    ...everyday,
    name: "steady load",
    seconds,
    mix: NOTHING_FAILS,
    burst: 30,
    faults: ({ workers, signal }) => every(20_000, signal, () => workers.kill()),
  }),
} as const;

function wayOf({ way }: StoreFaults): Way {
  if (way === undefined) throw new Error("Nothing can be put between the processes and this store.");
  return way;
}

function groupOf({ failOver }: StoreFaults): () => Promise<void> {
  if (failOver === undefined) throw new Error("This store has no other server to fail over to.");
  return failOver;
}

async function onLeader(
  { store: { leader }, workers, signal }: Stage,
  fault: (leader: LeaderFaults) => Promise<void>,
  least = 2,
): Promise<void> {
  if (leader === undefined) throw new Error("The servers of this store do not vote for a leader.");
  await Promise.all([every(2_500, signal, () => fault(leader), least), every(2_000, signal, () => workers.kill(), 2)]);
}

const stopsWorkers =
  (leases: number, least = 2) =>
  ({ workers, signal, leaseMs }: Stage): Promise<void> =>
    every(1_200, signal, () => workers.freeze(leaseMs * leases), least);

async function stepClock({ signal, setWallClock }: Stage): Promise<void> {
  const offsets = [HOUR_MS, 0, -HOUR_MS, 0];
  let next = 0;
  const step = (): void => {
    setWallClock(offsets[next % offsets.length] ?? 0);
    next += 1;
  };
  await every(1_500, signal, step, 3);
}

export const NAMES: readonly Name[] = Object.keys(BUILDERS) as Name[];

const ON_PROCESSES: readonly Name[] = [
  ...(["killedWorkers", "killedProducers", "frozenWorkers", "clockSteps", "poison", "restarts"] as const),
];
/** Clients learn the addresses of several servers from these themselves: nothing can be put in between. */
const ON_GROUPS_OF_SERVERS: readonly Name[] = ["failOver", "killedServer", "frozenServer"];
/** What one server goes through already is repeated only where several nodes answer differently. */
const ON_VOTERS: readonly Name[] = [
  ...([
    "failOver",
    "frozenLeader",
    "partedLeader",
    "loneLeader",
    "splitLeader",
    "killedServer",
    "droppedAnswers",
    "killedWorkers",
  ] as const),
];
const ON_ONE_SERVER: readonly Name[] = [
  ...ON_PROCESSES,
  ...(["killedServer", "frozenServer", "cutConnections", "halfOpenConnections"] as const),
  ...(["droppedAnswers", "slowConnections"] as const),
];
const ON_STORES_OF_KEYS: readonly Name[] = [...(["claimOne", "claimTwenty", "claimHundred"] as const)];
const STORES_OF_KEYS: readonly string[] = ["etcd", "consul", "zookeeper"];
const ON_FILES: readonly string[] = ["sqlite", "coordinated"];
const GROUPS: readonly string[] = ["redis-sentinel", "redis-cluster"];
const VOTERS: readonly string[] = ["etcd-cluster", "consul-cluster", "zookeeper-cluster"];

/** Longer than one call may hang: with 2 s, and with 3 s after a fail-over, processes lost their sessions on a machine with a load of 20, and with them what they held. */
export const SESSION_OF_KEYS: Duration = "4s";

/**
 * One call may take 3 s before it is given up, and behind it all other claims and ends of its process wait, so leases must outlast it (docs/guides/choosing-times.md). With
 * 2 s those that were given out just after a fail-over ended behind a call that had begun during it, and on a machine with a load of 20 claims came when they were over.
 */
export const LEASE_OF_KEYS_MS = 5_000;

/**
 * In leases. A session ends first, on Consul after twice its time, on etcd up to 1.5 s late. Then others wait a whole lease and half a session's time, on ZooKeeper less a
 * session's time: they have taken the jobs before the stop is over.
 */
const STOP_ON_KEYS = { etcd: 2.8, consul: 3.6, zookeeper: 1.8 } as const;

/** More jobs than the slots can hold: on a busy machine some stops met none. */
const stoppedOnKeys = (store: string): Partial<Scenario> => {
  const leases = Object.entries(STOP_ON_KEYS).find(([name]) => store.startsWith(name))?.[1] ?? 1.6;
  return { mix: { lingers: 100 }, faults: stopsWorkers(leases, 1) };
};

const BROKERS: readonly string[] = ["rabbitmq", "rabbitmq-4"];

/** A lease ends with its connection: with heartbeats of 1 s the server ended those of a stopped process after 2.0 to 2.9 s (3.10.8, 4.0.5). A stop takes twice as long. */
const HEARTBEATS = {
  sessionTtl: "1s",
  leaseMs: 4_000,
  // More than the slots can hold: on a busy machine some stops met hardly a job.
  mix: { lingers: 100 },
  concurrency: 10,
} as const;

export function scenarioOn(scheme: string, name: Name, seconds: number): Scenario {
  const planned = scenario(name, seconds);
  if (BROKERS.includes(scheme)) return name === "frozenWorkers" ? { ...planned, ...HEARTBEATS } : planned;
  if (!STORES_OF_KEYS.includes(scheme) && !VOTERS.includes(scheme)) return planned;
  return {
    sessionTtl: SESSION_OF_KEYS,
    ...planned,
    leaseMs: Math.max(planned.leaseMs, LEASE_OF_KEYS_MS),
    ...(name === "frozenWorkers" ? stoppedOnKeys(scheme) : {}),
    ...(name === "killedWorkers" ? BUSY_ON_KEYS : {}),
  };
}

/** Pushes are slow there, and on a busy machine all jobs were done when the kills came. */
const BUSY_ON_KEYS: Partial<Scenario> = { mix: { ...EVERYDAY, lingers: 70 }, burst: 40 };

/** All that such a store can be made to go through. */
export function scenariosFor(scheme: string): readonly Name[] {
  if (ON_FILES.includes(scheme)) return ON_PROCESSES;
  if (GROUPS.includes(scheme)) return [...ON_PROCESSES, ...ON_GROUPS_OF_SERVERS];
  if (VOTERS.includes(scheme)) return ON_VOTERS;
  if (STORES_OF_KEYS.includes(scheme)) return [...ON_ONE_SERVER, ...ON_STORES_OF_KEYS];
  return scheme === "postgres" ? [...ON_ONE_SERVER, "soak"] : ON_ONE_SERVER;
}

/** Beside a soak no other scenario takes longer: what it finds it finds by then, and growth shows only with time. */
const MOST_SECONDS_BESIDE_SOAK = 60;

/** How a run's time is shared out: half of it at least is the soak's. */
export function secondsOf(name: Name, names: readonly Name[], total: number): number {
  if (!names.includes("soak") || names.length === 1) return total / names.length;
  const others = names.length - 1;
  const each = Math.min(total / 2 / others, MOST_SECONDS_BESIDE_SOAK);
  return name === "soak" ? total - each * others : each;
}

export function scenario(name: Name, seconds: number): Scenario {
  return BUILDERS[name](seconds);
}
