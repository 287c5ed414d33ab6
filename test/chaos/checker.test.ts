/** The checker against drivers that are wrong on purpose: it must find each within 30 s. */
import { rmSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import type { Kind } from "./finding.ts";
import { WELL_BEHAVED } from "./job-plan.ts";
import { type Outcome, runScenario, type Scenario, type Stage } from "./scenario.ts";
import { every } from "./store.ts";
import { WRONG_NAMES, type WrongName } from "./wrong-drivers.ts";

type Plan = Readonly<{ finds: Kind }> & Partial<Scenario>;

// So often at least, however slowly processes start on a busy machine.
const killWorkers = ({ workers, signal }: Stage): Promise<void> => every(600, signal, () => workers.kill(400), 3);
const killProducers = ({ producers, signal }: Stage): Promise<void> => every(600, signal, () => producers.kill(), 3);
const freezeWorkers = ({ workers, signal, leaseMs }: Stage): Promise<void> =>
  every(300, signal, () => workers.freeze(leaseMs * 1.2), 3);

const PLANS: Readonly<Record<WrongName, Plan>> = {
  deletesAtReserve: { finds: "lost", faults: killWorkers },
  // So many jobs that some run again when the first holder's acknowledgement comes.
  acknowledgesWithoutToken: { finds: "illegal duplicate", faults: freezeWorkers, burst: 50, concurrency: 20 },
  reapsTooEarly: { finds: "two leases" },
  dropsEvery1000th: { finds: "lost", mix: {}, burst: 250, pauseMs: 50, most: 2_500 },
  confirmsPushBeforeCommit: { finds: "lost", faults: killProducers, pauseMs: 20 },
  // So many jobs, and commits so late, that some are always between their answer and their commit when a worker is killed: the jobs that linger end in waves.
  confirmsFinishBeforeCommit: {
    finds: "illegal duplicate",
    faults: killWorkers,
    burst: 50,
    pauseMs: 100,
    concurrency: 20,
    leaseMs: 2_000,
    // The only one that is found in it, too: what a killed worker held comes back behind all others.
    drainSeconds: 4,
  },
  forgetsDelays: { finds: "early", delays: true },
  damagesPayloads: { finds: "wrong", pauseMs: 50, most: 300 },
};

function planned(name: WrongName): Scenario {
  const { finds, ...plan } = PLANS[name];
  return {
    ...{ name: `${name}: ${finds}`, wrong: name, seconds: 4, producers: 1, workers: 2, leaseMs: 1_000, concurrency: 5 },
    ...{ mix: WELL_BEHAVED, delays: false, maxLosses: 20, burst: 10, pauseMs: 200, drainSeconds: 1, healthyLosses: 0 },
    faults: async () => undefined,
    ...plan,
  };
}

/** Two at once. */
const outcomes = new Map<WrongName, Promise<Outcome>>();
const lanes: Promise<unknown>[] = [Promise.resolve(), Promise.resolve()];
for (const [i, name] of WRONG_NAMES.entries()) {
  const lane = i % lanes.length;
  const outcome = (lanes[lane] ?? Promise.resolve()).then(() => runScenario(planned(name), "sqlite"));
  outcomes.set(name, outcome);
  lanes[lane] = outcome.catch(() => undefined);
}

const found: string[] = [];
afterAll(() => console.log(found.join("\n")));

test.each(WRONG_NAMES)("%s is found", async (name) => {
  const outcome = await outcomes.get(name);
  if (outcome === undefined) throw new Error(`${name} did not run`);
  const { finds } = PLANS[name];
  const { folder, violations, seconds } = outcome;
  const kinds = Object.groupBy(violations, ({ kind }) => kind);
  const counts = Object.entries(kinds).map(([kind, all]) => `${all?.length} ${kind}`);
  found.push(`${name}: ${counts.join(", ")} in ${seconds.toFixed(1)} s`);
  rmSync(folder, { recursive: true, force: true });
  expect(kinds[finds]?.length ?? 0, finds).toBeGreaterThan(0);
  expect(seconds).toBeLessThan(30);
});
