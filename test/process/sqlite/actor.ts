/** A process of the tests: does what the first argument says with the database file of the second, and tells its parent in messages. */
import { readFileSync, statSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { sqliteDriver } from "../../../src/drivers/sqlite/index.ts";
import type { PushItem, Reservation } from "../../../src/contract/index.ts";
import { silentLogger, systemClock } from "../../../src/runtime/index.ts";

const [, , part = "", path = "", argument = ""] = process.argv;
const QUEUE = "work";
const driver = sqliteDriver({ path });
const keep = { count: Infinity, ageMs: Infinity };
const tell = (message: object): void => void process.send?.(message);

let made = 0;
function item(size = 100): PushItem {
  made += 1;
  return {
    id: `${process.pid}-${made}`,
    sequence: undefined,
    queue: QUEUE,
    name: "default",
    priority: 0,
    tags: {},
    delayMs: 0,
    runAt: undefined,
    maxLosses: 3,
    createdAt: Date.now(),
    envelope: new Uint8Array(40),
    payload: new Uint8Array(size),
  };
}

const items = (count: number, size?: number): PushItem[] => Array.from({ length: count }, () => item(size));

async function take(max: number, waitMs: number): Promise<readonly Reservation[]> {
  return (await driver.reserve({ queues: [QUEUE], max, leaseMs: 30_000, waitMs })).reservations;
}

async function finish(reservations: readonly Reservation[]): Promise<number> {
  const results = await driver.finish(reservations.map((reservation) => ({ reservation, outcome: "done" })));
  return results.filter((result) => result === "ok").length;
}

/** Opens, pushes one job and closes: several start at once on a file that is not there yet. */
async function opens(): Promise<void> {
  await driver.push([item()]);
  await driver.close();
  tell({ done: true });
}

/** Waits for jobs one after the other and tells when each came. Its clock is the machine's, like that of the producer. */
async function waits(): Promise<void> {
  tell({ ready: true });
  for (;;) {
    const got = await take(1, 60_000);
    const at = Number(process.hrtime.bigint()) / 1e6;
    await finish(got);
    for (const { job } of got) tell({ id: job.id, at });
  }
}

/** Waits on an empty queue and tells what that cost. */
async function idles(): Promise<void> {
  const never = take(1, 60_000);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  const before = { cpu: process.cpuUsage(), written: writtenBytes(), wal: statSync(`${path}-wal`).mtimeMs };
  const ms = Number(argument);
  await new Promise((resolve) => setTimeout(resolve, ms));
  const cpu = process.cpuUsage(before.cpu);
  tell({
    cpuPercent: ((cpu.user + cpu.system) / 1_000 / ms) * 100,
    written: writtenBytes() - before.written,
    walTouched: statSync(`${path}-wal`).mtimeMs !== before.wal,
  });
  await driver.close();
  await never;
}

/** Bytes that reached write(2), wherever they went. */
function writtenBytes(): number {
  const line = /^wchar: (\d+)$/m.exec(readFileSync("/proc/self/io", "utf8"));
  return Number(line?.[1] ?? 0);
}

/** Pushes batches for ever and tells every one that resolved. */
async function pushesForEver(): Promise<void> {
  for (;;) {
    const batch = items(37);
    await driver.push(batch);
    tell({ stored: batch.map(({ id }) => id) });
  }
}

/** Pushes jobs whose payload lies in a table of its own, and finishes them at once, for ever. */
async function churns(): Promise<void> {
  tell({ ready: true });
  for (;;) {
    await driver.push(items(50, Number(argument)));
    await finish(await take(50, 0));
  }
}

/** A turn of the event loop that does nothing but compute for 1 ms: what the machine itself makes of so many busy processes. */
async function computes(): Promise<void> {
  const end = performance.now() + 1;
  while (performance.now() < end);
  await new Promise((resolve) => setImmediate(resolve));
}

/** Works as fast as it can for a while: what it did, and how free the event loop was meanwhile. */
async function works(): Promise<void> {
  const [role, ms] = argument.split(" ");
  tell({ ready: true });
  await new Promise((resolve) => process.once("message", resolve));
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const end = performance.now() + Number(ms);
  let [done, largestWal] = [0, 0];
  while (performance.now() < end) {
    if (role === "bystander") await computes();
    else done += role === "producer" ? (await driver.push(items(20))).length : await finish(await take(20, 20));
    if (role !== "bystander") largestWal = Math.max(largestWal, statSync(`${path}-wal`).size);
  }
  delay.disable();
  tell({ role, done, largestWal, p99: delay.percentile(99) / 1e6 - 1, max: delay.max / 1e6 });
  await driver.close();
}

await driver.open({
  clock: systemClock,
  logger: silentLogger,
  retention: { completed: { count: 0, ageMs: 0 }, failed: keep },
});
const parts: Readonly<Record<string, () => Promise<void>>> = { opens, waits, idles, pushesForEver, churns, works };
await parts[part]?.();
process.disconnect?.();
