/** The short forms of many processes that claim from one queue on three servers; `npm run chaos -- etcd 1m claimOne claimTwenty claimHundred` is the long form, with 32. */
import { afterAll, expect, test } from "vitest";
import { isServerAvailable } from "../servers/shared-server.ts";
import { report } from "./report.ts";
import { expectSurvived } from "./run-lanes.ts";
import { type Outcome, runScenario } from "./scenario.ts";
import { scenarioOn } from "./scenarios.ts";

/** Fewer where the server is busy itself. */
const PROCESSES = { etcd: 8, consul: 4, zookeeper: 4 } as const;
type Store = keyof typeof PROCESSES;
const JOBS = 200;

const outcomes: Outcome[] = [];
afterAll(() => console.log(report(outcomes)));

for (const store of ["etcd", "consul", "zookeeper"] as const)
  if (await isServerAvailable(`${store}-cluster`)) onStore(store);

/** One store after the other: with nine servers and 16 claimers on two cores a claim took longer than the 3 s that one call may take, and what it had stored came back as one lease more. */
function onStore(store: Store): void {
  const workers = PROCESSES[store];
  test(`${store}: ${workers} processes claim from one queue, and each job is leased once`, async () => {
    const scheme = `${store}-cluster`;
    const outcome = await runScenario({ ...scenarioOn(scheme, "claimTwenty", 1), workers, most: JOBS }, scheme);
    outcomes.push(outcome);
    expectSurvived(outcome, { "transactions that claim": JOBS / 20 });
    expect(outcome.counts).toMatchObject({ pushed: JOBS, leases: JOBS, completed: JOBS });
  });
}
