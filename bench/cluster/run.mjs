/**
 * npm run bench:cluster -- [sqlite redis postgres etcd consul zookeeper] [--case claims|failover|locks|idle] [--timeout 2000] [--check]
 * What a cluster costs and how long it takes; prints JSON lines, and writes all of them to bench/results; then a line a target. Each store is one server that
 * writes everything through. `--timeout` is that of the elections that fail over, ms (etcd's is 2000 at least); a new leader is wanted within what
 * docs/backends promises for that store. `--check` ends with 1 when a target is missed.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { claims } from "./claims.mjs";
import { failOver } from "./fail-over.mjs";
import { idle } from "./idle.mjs";
import { locks } from "./locks.mjs";
import { STORES } from "./stores.mjs";
import { targetsOf } from "./targets.mjs";

/** Of sessions (docs/backends). */
const LEAST_MS = { etcd: 2_000 };
const MOST_MS = { zookeeper: 40_000 };
const CASES = { locks, failover: failOver, idle, claims };
const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { case: { type: "string" }, timeout: { type: "string", default: "2000" }, check: { type: "boolean" } },
});
const ttlMs = Number(flags.timeout);
if (!Number.isInteger(ttlMs) || ttlMs < 1_000 || ttlMs > 60_000) {
  process.stderr.write(`--timeout is ${flags.timeout}; it must be a number of milliseconds from 1000 to 60000.\n`);
  process.exit(2);
}
const stores = positionals.length === 0 ? STORES : positionals;
const unknown =
  stores.find((store) => !STORES.includes(store)) ??
  (flags.case === undefined || flags.case in CASES ? undefined : flags.case);
if (unknown !== undefined) {
  process.stderr.write(
    `No benchmark for "${unknown}". Stores: ${STORES.join(", ")}. Cases: ${Object.keys(CASES).join(", ")}.\n`,
  );
  process.exit(2);
}

const outside = stores.find((store) => ttlMs < (LEAST_MS[store] ?? 0) || ttlMs > (MOST_MS[store] ?? Infinity));
if (outside !== undefined && (flags.case ?? "failover") === "failover") {
  const [least, most] = [LEAST_MS[outside] ?? 1_000, MOST_MS[outside] ?? 60_000];
  process.stderr.write(`--timeout is ${ttlMs}; ${outside} takes from ${least} to ${most}.\n`);
  process.exit(2);
}

const report = {
  at: new Date().toISOString(),
  node: process.version,
  cpu: cpus()[0]?.model,
  cores: cpus().length,
  results: {},
};
for (const store of stores) {
  for (const [name, run] of Object.entries(CASES)) {
    if (flags.case !== undefined && flags.case !== name) continue;
    const load = loadavg()[0];
    const result = await run(store, { ttlMs });
    report.results[`${store}.${name}`] = { loadBefore: load, ...result };
    process.stdout.write(`${store}.${name} ${JSON.stringify(result, rounded)}\n`);
  }
}
const folder = fileURLToPath(new URL("../results/", import.meta.url));
mkdirSync(folder, { recursive: true });
const file = `cluster-${report.at.replaceAll(":", "-")}.json`;
writeFileSync(`${folder}${file}`, `${JSON.stringify(report, null, 2)}\n`);
const targets = targetsOf(report.results);
const lines = [...targets.map(({ text }) => text), `written to bench/results/${file}`];
process.stdout.write(`${lines.join("\n")}\n`);
process.exit(flags.check === true && targets.some(({ reached }) => !reached) ? 1 : 0);

function rounded(_key, value) {
  return typeof value === "number" ? Math.round(value * 100) / 100 : value;
}
