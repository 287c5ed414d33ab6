/**
 * npm run bench:coordinated -- [--check] [etcd consul zookeeper]
 * Queues over coordination stores against the transactions of their clients: rates and a line a target, medians of three rounds, also written to bench/results.
 * --check exits with 1 when a target is missed.
 */
import { fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { createJob, Worker } from "../../dist/entry/index.js";
import { startServer } from "../../scripts/servers/start-server.ts";
import { raw } from "./raw.mjs";
import { openQueue, STORES } from "./stores.mjs";

const JOBS = 4_000;
/** Before the clock starts: both sides have compiled their code then. */
const WARM_UP = 1_000;
/** Of several processes, each of which has warmed up. */
const SHARED_JOBS = 32_000;
/** Taken from the front of a queue. */
const TAKEN = 2_000;
const PAYLOAD = "x".repeat(200);
const ROUNDS = 3;
const isChecked = process.argv.includes("--check");
const asked = process.argv.slice(2).filter((word) => word !== "--check");
const unknown = asked.find((store) => !STORES.includes(store));
if (unknown !== undefined) {
  process.stderr.write(`No benchmark for "${unknown}". Known: ${STORES.join(", ")}.\n`);
  process.exit(2);
}

const newPlace = () => `bench-${randomUUID()}`;
const jobs = (count) => Array.from({ length: count }, () => createJob(PAYLOAD, { queue: "bench" }));

async function push(queue, count) {
  for (let left = count; left > 0; left -= 1_000) await queue.pushBatch(jobs(Math.min(1_000, left)));
}

/** Runs `count` jobs in this process; seconds until the last is confirmed. */
async function work(queue, count) {
  let left = count;
  let ended;
  const end = new Promise((resolve) => (ended = resolve));
  const worker = new Worker(queue, "bench", () => undefined, { concurrency: 100 });
  worker.on("completed", () => (left -= 1) === 0 && ended());
  const start = performance.now();
  await worker.start();
  await end;
  const seconds = (performance.now() - start) / 1_000;
  await worker.stop();
  return seconds;
}

/** From the first push to the last confirmed end, one process. */
async function whole(store, url) {
  const queue = await openQueue(store, url, newPlace());
  await push(queue, WARM_UP);
  await work(queue, WARM_UP);
  const start = performance.now();
  await push(queue, JOBS);
  const pushed = (performance.now() - start) / 1_000;
  const worked = await work(queue, JOBS);
  await queue.close();
  return { push: JOBS / pushed, work: JOBS / worked, whole: JOBS / (pushed + worked) };
}

/** So many processes empty the same queue. */
async function processes(store, url, number) {
  const place = newPlace();
  const queue = await openQueue(store, url, place);
  await push(queue, SHARED_JOBS);
  const counts = new Map();
  const children = Array.from({ length: number }, () =>
    fork(fileURLToPath(new URL("worker.mjs", import.meta.url)), [store, url, place, "20"]),
  );
  await Promise.all(children.map((child) => new Promise((resolve) => child.once("message", resolve))));
  const start = performance.now();
  await new Promise((resolve) => {
    for (const child of children) {
      child.on("message", (done) => {
        counts.set(child, done);
        if ([...counts.values()].reduce((sum, one) => sum + one, 0) >= SHARED_JOBS) resolve();
      });
      child.send("go");
    }
  });
  const seconds = (performance.now() - start) / 1_000;
  await Promise.all(
    children.map((child) => {
      const exited = new Promise((resolve) => child.once("exit", resolve));
      child.send("stop");
      return exited;
    }),
  );
  await queue.close();
  return SHARED_JOBS / seconds;
}

/** Jobs taken and ended one batch after the other, while so many wait behind them. */
async function behind(store, url, waiting) {
  const queue = await openQueue(store, url, newPlace());
  await push(queue, waiting + TAKEN + WARM_UP);
  await take(queue, WARM_UP);
  const start = performance.now();
  await take(queue, TAKEN);
  const rate = TAKEN / ((performance.now() - start) / 1_000);
  await queue.close();
  return rate;
}

async function take(queue, count) {
  for (let left = count; left > 0;) {
    const got = await queue.popBatch(Math.min(20, left), { queue: "bench" });
    await Promise.all(got.map((job) => job.complete()));
    left -= got.length;
  }
}

const lines = [];
const results = {};
let missed = 0;
const tell = (text) => {
  lines.push(text);
  process.stdout.write(`${text}\n`);
};
/** `got`: one ratio a round. */
const target = (name, got, want) => {
  const median = middle(got);
  if (median < want) missed += 1;
  const rounds = got.map((one) => one.toFixed(2)).join(" ");
  tell(
    `TARGET ${name}: got ${median.toFixed(2)} want ${want.toFixed(2)} ${median >= want ? "reached" : "missed"} (${rounds})`,
  );
};
const middle = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** Everything that is compared, one after the other, so that what else the machine does meets both sides. */
async function round(store, url) {
  const results = { loadBefore: loadavg()[0] };
  results.raw = await raw(store, url, newPlace(), JOBS);
  results.queue = await whole(store, url);
  results.processes1 = await processes(store, url, 1);
  results.processes8 = await processes(store, url, 8);
  results.behind100 = await behind(store, url, 100);
  results.behind10000 = await behind(store, url, 10_000);
  return results;
}

for (const store of asked.length === 0 ? STORES : asked) {
  const server = await startServer(store, { durable: true });
  try {
    const { url, version } = server;
    await raw(store, url, newPlace(), WARM_UP);
    const rounds = [];
    for (let number = 1; number <= ROUNDS; number += 1) {
      process.stderr.write(`${store}: round ${number} of ${ROUNDS} ...\n`);
      rounds.push(await round(store, url));
    }
    results[store] = { version, rounds };
    const rates = {
      raw: rounds.map((one) => one.raw.jobsPerSecond),
      ...Object.fromEntries(["push", "work", "whole"].map((of) => [of, rounds.map((one) => one.queue[of])])),
      ...Object.fromEntries(
        ["processes1", "processes8", "behind100", "behind10000"].map((of) => [of, rounds.map((one) => one[of])]),
      ),
    };
    const medians = Object.entries(rates).map(([name, all]) => `${name} ${Math.round(middle(all))}/s`);
    tell(`${store} ${version}: ${medians.join(", ")}; medians of ${ROUNDS}`);
    const ratios = (of) => rounds.map(of);
    target(
      `${store}.whole vs its client's transactions`,
      ratios((one) => one.queue.whole / one.raw.jobsPerSecond),
      0.5,
    );
    target(
      `${store}.processes 8 vs 1`,
      ratios((one) => one.processes8 / one.processes1),
      1,
    );
    target(
      `${store}.waiting 10,000 vs 100`,
      ratios((one) => one.behind10000 / one.behind100),
      1,
    );
  } finally {
    await server.remove();
  }
}
const folder = fileURLToPath(new URL("../results/", import.meta.url));
mkdirSync(folder, { recursive: true });
const at = new Date().toISOString();
const report = { at, node: process.version, cpu: cpus()[0]?.model, cores: cpus().length, results, lines };
writeFileSync(`${folder}coordinated-${at.replaceAll(":", "-")}.json`, `${JSON.stringify(report, null, 2)}\n`);
process.exit(isChecked && missed > 0 ? 1 : 0);
