/** The long form: `npm run chaos -- sqlite 10m [scenario ...]`, or `cluster-redis 5m [fault ...]` with five nodes. Exits with 1 on any violation. */
import { canHaveHosts } from "../../scripts/servers/hosts.ts";
import { parseDuration } from "../../src/runtime/index.ts";
import { FAULTS, hasFault } from "./cluster-faults.ts";
import { runCluster } from "./cluster-scenario.ts";
import { CLUSTER_STORES, type ClusterStore } from "./cluster-stores.ts";
import { complaints, isClean, report } from "./report.ts";
import { type Outcome, runScenario } from "./scenario.ts";
import { type Name, NAMES, scenarioOn, scenariosFor, secondsOf } from "./scenarios.ts";

const [, , scheme = "sqlite", duration = "10m", ...asked] = process.argv;
const clusterStore = CLUSTER_STORES.find((store) => scheme === `cluster-${store}`);
const names = clusterStore !== undefined ? [] : asked.length === 0 ? await possible(scheme) : asked.map(checkName);
// One after the other, so that the numbers of each are its own.
const total = parseDuration(duration as "10m", "duration", { min: 1_000 }) / 1_000;
const outcomes: Outcome[] = [];

async function possible(store: string): Promise<readonly Name[]> {
  const all = scenariosFor(store);
  if (!all.includes("splitLeader") || (await canHaveHosts())) return all;
  console.error("splitLeader is left out: lines between servers can be cut only by root on Linux.");
  return all.filter((name) => name !== "splitLeader");
}

function checkName(name: string): Name {
  const found = NAMES.find((known) => known === name);
  if (found !== undefined) return found;
  console.error(`There is no scenario "${name}". Known: ${NAMES.join(", ")}.`);
  process.exit(2);
}

if (clusterStore !== undefined) outcomes.push(await onCluster(clusterStore));

async function onCluster(store: ClusterStore): Promise<Outcome> {
  const faults = asked.length === 0 ? FAULTS : FAULTS.filter((fault) => asked.includes(fault));
  const possible = FAULTS.filter((fault) => hasFault(store, fault));
  if (!faults.some((fault) => possible.includes(fault))) {
    console.error(`There is no such fault of ${store}. Known: ${possible.join(", ")}.`);
    process.exit(2);
  }
  const outcome = await runCluster({ store, nodes: 5, ttlMs: 2_000, faults, seconds: total });
  for (const complaint of complaints(outcome)) console.error(complaint);
  return outcome;
}

for (const name of names) {
  const seconds = secondsOf(name, names, total);
  const planned = scenarioOn(scheme, name, seconds);
  console.error(`${planned.name}: ${Math.round(seconds)} s and the drain ...`);
  const started = performance.now();
  const progress = setInterval(() => console.error(`  ${Math.round((performance.now() - started) / 1_000)} s`), 10_000);
  const outcome = await runScenario(planned, scheme);
  clearInterval(progress);
  outcomes.push(outcome);
  for (const complaint of complaints(outcome)) console.error(complaint);
}
await new Promise<void>((resolve) => void process.stdout.write(`${report(outcomes)}\n`, () => resolve()));
// A natural end frees every handle first, and Node.js 24 was caught there waiting for ever, at full speed, for a socket of the proxy whose reset it had
// refused (Environment::CleanupHandles).
process.exit(outcomes.every(isClean) ? 0 : 1);
