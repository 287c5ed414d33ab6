/**
 * npm run bench -- memory sqlite redis [--case process.c10] [--check]
 * Every peer of a backend in the same run on the same work, each case in a process of its own; prints a table, a JSON file and a line a target.
 */
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { startServer } from "../scripts/servers/start-server.ts";

const folder = fileURLToPath(new URL(".", import.meta.url));
const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { case: { type: "string" }, check: { type: "boolean" } },
});

const { dependencies } = JSON.parse(readFileSync(`${folder}package.json`, "utf8"));
if (!Object.keys(dependencies).every((name) => existsSync(`${folder}node_modules/${name}`))) {
  process.stderr.write("Installing the peers …\n");
  execFileSync("npm", ["ci", "--prefix", folder, "--no-audit", "--no-fund"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
}
const { plan } = await import("./plan.mjs");
const backends = positionals.length === 0 ? Object.keys(plan) : positionals;
const unknown = backends.find((name) => !(name in plan));
if (unknown !== undefined) {
  process.stderr.write(`No benchmark for "${unknown}". Known: ${Object.keys(plan).join(", ")}.\n`);
  process.exit(2);
}

async function measure(backend, caseName, peer, server) {
  const pids = server?.nodes.map(({ pid }) => pid).join(",");
  const child = promisify(execFile)(
    process.execPath,
    ["--expose-gc", "--max-old-space-size=8192", `${folder}child.mjs`, backend, caseName, peer],
    {
      env: {
        ...process.env,
        ...(server === undefined ? {} : { JOBFERRY_BENCH_URL: server.url, JOBFERRY_BENCH_SERVER_PIDS: pids }),
      },
    },
  );
  const { stdout } = await child;
  return JSON.parse(stdout);
}

function shown(value, unit) {
  if (unit !== undefined) return `${value < 10 ? value.toFixed(3) : value.toFixed(0)} ${unit}`;
  return value >= 1e6
    ? `${(value / 1e6).toFixed(2)}M/s`
    : value >= 1e4
      ? `${(value / 1e3).toFixed(1)}k/s`
      : `${value.toFixed(0)}/s`;
}

/** What belongs to a figure: CPU of the client's processes and of the server's, what the peer promises, and what it risks for its speed. */
function besides({ cpuPerJobUs, serverCpuPerJobUs, handlersRun, durability, prefetch, mostUnconfirmed }) {
  const server = serverCpuPerJobUs === undefined ? "" : ` + ${serverCpuPerJobUs.toFixed(1)} server`;
  const parts = [
    cpuPerJobUs === undefined ? undefined : `CPU ${cpuPerJobUs.toFixed(1)}${server} µs/job`,
    handlersRun === undefined ? undefined : `${handlersRun} run`,
    handlersRun === undefined || prefetch === undefined ? undefined : `ahead ${prefetch}`,
    mostUnconfirmed === undefined ? undefined : `unconfirmed ${mostUnconfirmed}`,
    cpuPerJobUs === undefined ? undefined : `survives ${durability}`,
  ];
  return parts.filter((part) => part !== undefined).join("  ");
}

function target(backend, results, { case: name, peer, than, want, below, overCase, unit }) {
  const mine = results[name]?.[peer]?.value;
  const other = than === undefined ? results[overCase]?.[peer]?.value : results[name]?.[than]?.value;
  const needsOther = than !== undefined || overCase !== undefined;
  if (mine === undefined || (needsOther && other === undefined)) return undefined;
  const got = needsOther ? mine / other : mine;
  const reached = want === undefined ? got < below : got >= want;
  const versus = than === undefined ? (overCase === undefined ? "" : ` over ${overCase}`) : ` vs ${than}`;
  const wanted = want === undefined ? `below ${below} ${unit}` : want.toFixed(2);
  return {
    line: `TARGET ${backend}.${name} ${peer}${versus}: got ${got.toFixed(3)} want ${wanted} ${reached ? "reached" : "missed"}`,
    reached,
  };
}

const report = {
  at: new Date().toISOString(),
  node: process.version,
  cpu: cpus()[0]?.model,
  cores: cpus().length,
  memoryBytes: totalmem(),
  results: {},
};
const lines = [];
let missed = 0;

for (const backend of backends) {
  const { peers, cases, targets, server: kind } = plan[backend];
  // Its own, with everything written through to the disk.
  const server = kind === undefined ? undefined : await startServer(kind, { durable: true });
  const names = (await peers()).map(({ name }) => name);
  const results = {};
  process.stdout.write(`\n${backend}${server === undefined ? "" : ` ${server.version}`}\n`);
  for (const [caseName, settings] of Object.entries(cases)) {
    if (flags.case !== undefined && flags.case !== caseName) continue;
    results[caseName] = {};
    for (const peer of names.filter((name) => settings.only?.(name) ?? true)) {
      const result = await measure(backend, caseName, peer, server);
      results[caseName][peer] = result;
      const range = `${shown(result.min, settings.unit)} – ${shown(result.max, settings.unit)}`;
      const p99 = result.p99 === undefined ? "" : `p99 ${result.p99.toFixed(3)} ms`;
      process.stdout.write(
        `  ${caseName.padEnd(14)} ${peer.padEnd(22)} ${shown(result.value, settings.unit).padStart(14)}  ${`(${range})`.padEnd(22)}  ${besides(result)}${p99}\n`,
      );
    }
  }
  await server?.remove();
  report.results[backend] = results;
  for (const each of targets) {
    const outcome = target(backend, results, each);
    if (outcome === undefined) continue;
    lines.push(outcome.line);
    if (!outcome.reached) missed += 1;
  }
}

mkdirSync(`${folder}results`, { recursive: true });
const file = `${folder}results/${report.at.replaceAll(":", "-")}.json`;
writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
process.stdout.write(`\n${lines.join("\n")}\nwritten to bench/results/${file.slice(file.lastIndexOf("/") + 1)}\n`);
process.exit(flags.check === true && missed > 0 ? 1 : 0);
