import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { sqliteDriver } from "../../../src/drivers/sqlite/index.ts";
import { POLL_MS } from "../../../src/drivers/sqlite/limits.ts";
import type { PushItem } from "../../../src/contract/index.ts";
import { silentLogger, systemClock } from "../../../src/runtime/index.ts";
import { ended, message, newDatabase, start } from "./actors.ts";

const keep = { count: Infinity, ageMs: Infinity };
const context = { clock: systemClock, logger: silentLogger, retention: { completed: keep, failed: keep } };

function item(id: string): PushItem {
  const bytes = new Uint8Array(20);
  const fixed = { queue: "work", name: "default", priority: 0, tags: {}, delayMs: 0, maxLosses: 3, createdAt: 0 };
  return { id, sequence: undefined, runAt: undefined, envelope: bytes, payload: bytes, ...fixed };
}

const percentile = (values: readonly number[], part: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))] ?? 0;

test("eight processes that start at once on a new file make one layout and store every job", async () => {
  const path = newDatabase();
  const children = Array.from({ length: 8 }, () => start("opens", path));
  expect(await Promise.all(children.map((child) => message(child)))).toEqual(children.map(() => ({ done: true })));
  await Promise.all(children.map(ended));
  const database = new DatabaseSync(path);
  expect(database.prepare("SELECT count(*) AS n FROM jobferry_jobs").get()).toEqual({ n: 8 });
  expect(database.prepare("SELECT count(*) AS n FROM jobferry_queues").get()).toEqual({ n: 1 });
  database.close();
});

test("a push wakes a consumer that waits in another process within 50 ms", async () => {
  const path = newDatabase();
  const driver = sqliteDriver({ path });
  await driver.open(context);
  const consumer = start("waits", path);
  await message(consumer);
  const latencies: number[] = [];
  for (let i = 0; i < 60; i += 1) {
    await new Promise((resolve) => setTimeout(resolve, 20 + (i % 7) * 5));
    const arrived = message<{ id: string; at: number }>(consumer);
    await driver.push([item(`job-${i}`)]);
    const pushed = Number(process.hrtime.bigint()) / 1e6;
    const { id, at } = await arrived;
    expect(id).toBe(`job-${i}`);
    latencies.push(at - pushed);
  }
  await driver.close();
  const [p50, p90, max] = [percentile(latencies, 0.5), percentile(latencies, 0.9), Math.max(...latencies)];
  console.log(`wake-up ms: p50 ${p50.toFixed(2)}, p90 ${p90.toFixed(2)}, max ${max.toFixed(2)} of ${latencies.length}`);
  // Not the 99th of a hundred, which of 60 is the slowest: a machine that gives a process no core for 50 ms, once, is enough for that.
  expect(p90).toBeLessThan(50);
  // Each was woken: who is not finds its job when it looks by itself.
  expect(max).toBeLessThan(POLL_MS);
});

type Idled = { cpuPercent: number; written: number; walTouched: boolean };

test("a consumer that waits uses under 0.5 % of a core and writes nothing", async () => {
  const path = newDatabase();
  let cpuPercent = Infinity;
  // What polls does so each time; one collection of garbage, on a slow core, is half a percent of three seconds.
  for (let times = 0; times < 3 && cpuPercent >= 0.5; times += 1) {
    const seen = await message<Idled>(start("idles", path, "3000"));
    console.log(`idle consumer: ${seen.cpuPercent.toFixed(3)} % of a core, ${seen.written} bytes written`);
    cpuPercent = Math.min(cpuPercent, seen.cpuPercent);
    // The event loop's own wake-ups write a few bytes; a page of the database would be 4096.
    expect(seen.written).toBeLessThan(1_000);
    expect(seen.walTouched).toBe(false);
  }
  expect(cpuPercent).toBeLessThan(0.5);
});

test("SIGKILL of a writer loses no push that resolved and leaves no part of a batch", async () => {
  const path = newDatabase();
  for (let round = 0; round < 6; round += 1) {
    const stored: string[] = [];
    const producer = start("pushesForEver", path);
    producer.on("message", ({ stored: ids }: { stored: string[] }) => stored.push(...ids));
    await expect.poll(() => stored.length, { interval: 1 }).toBeGreaterThan(37 * (1 + round));
    producer.kill("SIGKILL");
    await ended(producer);
    const database = new DatabaseSync(path);
    const kept = database.prepare("SELECT id FROM jobferry_jobs").all() as { id: string }[];
    const ids = new Set(kept.map(({ id }) => id));
    expect(stored.filter((id) => !ids.has(id))).toEqual([]);
    expect(stored.length).toBeGreaterThan(37);
    expect(kept.length % 37).toBe(0);
    expect(database.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
    database.close();
  }
});

test("jobs of a killed consumer come back when their lease ran out", async () => {
  const path = newDatabase();
  const driver = sqliteDriver({ path });
  await driver.open(context);
  await driver.push([item("held")]);
  const request = { queues: ["work"], max: 1, waitMs: 0 };
  const [held] = (await driver.reserve({ ...request, leaseMs: 200 })).reservations;
  const other = sqliteDriver({ path });
  await other.open(context);
  const [again] = (await other.reserve({ ...request, leaseMs: 10_000, waitMs: 5_000 })).reservations;
  expect(again?.job).toMatchObject({ id: "held", losses: 1, attempts: 2 });
  expect(await driver.finish(held === undefined ? [] : [{ reservation: held, outcome: "done" }])).toEqual(["lost"]);
  await driver.close();
  await other.close();
});

type Worked = { role: string; done: number; largestWal: number; p99: number; max: number };

async function compete(roles: readonly string[], ms: number): Promise<readonly Worked[]> {
  const path = newDatabase();
  const children = roles.map((role) => start("works", path, `${role} ${ms}`));
  await Promise.all(children.map((child) => message(child)));
  const results = Promise.all(children.map((child) => message<Worked>(child)));
  for (const child of children) child.send("go");
  const worked = await results;
  await Promise.all(children.map(ended));
  for (const { role, done, p99, max, largestWal } of worked) {
    console.log(
      `${role}: ${Math.round((done / ms) * 1000)}/s, event loop p99 ${p99.toFixed(1)} max ${max.toFixed(1)} ms, WAL ${(largestWal / 1e6).toFixed(0)} MB`,
    );
  }
  return worked;
}

const BYSTANDERS = ["bystander", "bystander", "bystander", "bystander"];

test("four writing processes: free event loops, served evenly, the WAL bounded", async () => {
  const before = await compete(BYSTANDERS, 1_500);
  const worked = await compete(["producer", "producer", "consumer", "consumer"], 4_000);
  const after = await compete(BYSTANDERS, 1_500);
  for (const role of ["producer", "consumer"]) {
    const counts = worked.filter((one) => one.role === role).map(({ done }) => done);
    expect(Math.max(...counts) / Math.min(...counts)).toBeLessThan(3);
  }
  expect(Math.max(...worked.map(({ largestWal }) => largestWal))).toBeLessThan(80e6);
  // 5 ms where the machine allows it. Four processes that only compute have 4 ms on two idle cores, and more when others use them too.
  const machine = Math.max(...[...before, ...after].map(({ p99 }) => p99));
  const delays = worked.map(({ p99 }) => p99);
  expect(percentile(delays, 0.5)).toBeLessThan(Math.max(5, 2 * machine));
});

test("a listing sees each job whole while another process pushes and finishes jobs", async () => {
  const path = newDatabase();
  const size = 20_000; // above what is kept in the row
  const driver = sqliteDriver({ path });
  await driver.open(context);
  await message(start("churns", path, String(size)));
  const end = performance.now() + 3_000;
  const sizes = new Set<number>();
  let seen = 0;
  while (performance.now() < end) {
    const page = await driver.records?.list({}, { limit: 100 });
    for (const { id, payload } of page?.jobs ?? []) {
      seen += 1;
      sizes.add(payload.length);
      const alone = await driver.records?.get(id);
      if (alone !== undefined) sizes.add(alone.payload.length);
    }
  }
  await driver.close();
  expect(seen).toBeGreaterThan(0);
  expect([...sizes]).toEqual([size]);
});
