import { rm, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeGuardian } from "../../scripts/servers/guarded.ts";
import { startServer } from "../../scripts/servers/start-server.ts";

const COORDINATED = ["etcd", "consul", "zookeeper"];
export const STORES = ["sqlite", "redis", "postgres", ...COORDINATED];

/** One whose jobs lie above keys, sessions and watches, and are few. */
export const isCoordinated = (kind) => COORDINATED.includes(kind);

/** A throw-away store, with everything written through as in production. */
export async function openStore(kind, args = []) {
  if (kind === "sqlite") {
    const folder = await mkdtemp(join(tmpdir(), "jobferry-bench-"));
    return {
      kind,
      version: process.versions.sqlite,
      url: `sqlite:${join(folder, "cluster.db")}`,
      close: () => rm(folder, { recursive: true, force: true }),
    };
  }
  const server = await startServer(kind, { durable: true, args });
  return { kind, version: server.version, url: server.url, close: closeGuardian };
}

export function sorted(values) {
  return values.toSorted((a, b) => a - b);
}

export function quantile(values, part) {
  const all = sorted(values);
  return all[Math.min(all.length - 1, Math.floor(part * all.length))];
}

export function distribution(values) {
  const { length } = values;
  const at = (part) => quantile(values, part);
  return { n: length, min: at(0), p50: at(0.5), p95: at(0.95), max: at(1) };
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export async function until(holds, what, ms = 60_000) {
  for (const end = performance.now() + ms; !(await holds()); await sleep(10)) {
    if (performance.now() > end) throw new Error(`not in time: ${what}`);
  }
}
