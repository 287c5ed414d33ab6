/** What is done to the processes; the same on every backend. */
import { EVERYDAY, WELL_BEHAVED } from "./job-plan.ts";
import { every, type Scenario, type Stage } from "./scenario.ts";

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

export type Name = keyof typeof BUILDERS;

const BUILDERS = {
  /** SIGKILL to a worker every second. */
  killedWorkers: (seconds: number): Scenario => ({
    ...everyday,
    name: "SIGKILL a worker every second",
    seconds,
    faults: ({ workers, signal }) => every(1_000, signal, () => workers.kill()),
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
    faults: ({ producers, signal }) => every(700, signal, () => producers.kill()),
  }),

  /** SIGSTOP to a worker for longer than its leases, so that it acknowledges late. */
  frozenWorkers: (seconds: number): Scenario => ({
    ...everyday,
    name: "SIGSTOP a worker past its leases",
    seconds,
    mix: WELL_BEHAVED,
    burst: 10,
    // A process that is stopped while it writes keeps the file's lock: the others cannot renew meanwhile.
    healthyLosses: 3 * seconds,
    maxLosses: 20,
    faults: ({ workers, signal, leaseMs }) => every(1_200, signal, () => workers.freeze(leaseMs * 1.5)),
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
} as const;

async function stepClock({ signal, setWallClock }: Stage): Promise<void> {
  const offsets = [HOUR_MS, 0, -HOUR_MS, 0];
  let next = 0;
  await every(1_500, signal, () => {
    setWallClock(offsets[next % offsets.length] ?? 0);
    next += 1;
  });
}

export const NAMES: readonly Name[] = Object.keys(BUILDERS) as Name[];

export function scenario(name: Name, seconds: number): Scenario {
  return BUILDERS[name](seconds);
}
