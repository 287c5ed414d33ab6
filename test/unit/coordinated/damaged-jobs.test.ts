import { describe, expect, test } from "vitest";
import type { CoordinationStore, Driver } from "../../../src/contract/index.ts";
import { Queue } from "../../../src/core/index.ts";
import { JobferryError } from "../../../src/errors/index.ts";
import { type Client, idsOf, item, type Member, stage, take } from "./stage.ts";

const DAMAGED = Buffer.from("nobody's job");

/** The keys of jobs in buckets of a kind, in order. */
async function keysIn(client: CoordinationStore, kind: "r" | "d" | "f"): Promise<readonly string[]> {
  const markers = (await client.list(`jobs/${kind}/`)).entries;
  const listings = await Promise.all(
    markers.map(({ key }) => client.list(key.replace(`jobs/${kind}/`, `jobs/${kind}.`) + "/")),
  );
  return listings.flatMap(({ entries }) => entries.map(({ key }) => key));
}

async function write(client: Client, key: string, value: Uint8Array): Promise<void> {
  await client.inner.transact([], [{ put: key, value }]);
}

async function damageFirst(client: Client, kind: "r" | "d" | "f", damage = DAMAGED): Promise<string> {
  const [key] = await keysIn(client, kind);
  if (key === undefined) throw new Error("there is no job");
  await write(client, key, damage);
  return key;
}

/** As core does with what it cannot read. */
async function park(driver: Driver): Promise<readonly string[]> {
  const reservations = await take(driver, 10);
  const failure = { code: "ENVELOPE_DAMAGED", name: "JobferryError", message: "", stack: undefined };
  await driver.finish(
    reservations.map((reservation) =>
      reservation.job.envelope.length === 0
        ? { reservation, outcome: "fail", failure }
        : { reservation, outcome: "done" },
    ),
  );
  return idsOf(reservations);
}

describe.each(["q", "x".repeat(120)])("in the queue %s", (queue) => {
  test("a ready job that cannot be read is claimed as one with its bytes, and holds up no other", async () => {
    const { driver, client } = await stage().join();
    await driver.push(["a", "b", "c"].map((id) => item(id, { queue })));
    const key = await damageFirst(client, "r");
    const { reservations } = await driver.reserve({ queues: [queue], max: 5, leaseMs: 30_000, waitMs: 0 });
    expect(idsOf(reservations)).toEqual([`damaged:${key}`, "b", "c"]);
    const [damaged] = reservations;
    expect(damaged?.job).toMatchObject({ queue, envelope: new Uint8Array(0), attempts: 1 });
    expect(Buffer.from(damaged?.job.payload ?? []).toString()).toBe(DAMAGED.toString());
    expect(await driver.stats(queue)).toMatchObject({ pending: 0, reserved: 3 });
  });
});

test.each([
  ["nothing", Buffer.alloc(0)],
  ["a length beyond its end", Buffer.from([255, 255, 255, 255, 1])],
  ["no JSON", Buffer.from([0, 0, 0, 1, 123])],
  ["JSON of something else", Buffer.from([0, 0, 0, 4, ...Buffer.from("null"), 0, 0, 0, 0, 0, 0, 0, 0])],
  ["a head without fields", Buffer.from([0, 0, 0, 2, ...Buffer.from("{}"), 0, 0, 0, 0, 0, 0, 0, 0])],
])("%s is no job, and throws nowhere", async (_, damage) => {
  const { driver, client } = await stage().join();
  await driver.push([item("a"), item("b")]);
  await damageFirst(client, "r", damage);
  expect((await park(driver)).at(-1)).toBe("b");
  expect(await driver.stats("q")).toMatchObject({ pending: 0, reserved: 0, failed: 1, completed: 1 });
});

test("a job that was cut off keeps its id", async () => {
  const { driver, client } = await stage().join();
  await driver.push([item("a", { payload: new Uint8Array(100) })]);
  const [key = ""] = await keysIn(client, "r");
  const whole = (await client.get(key))?.value ?? new Uint8Array(0);
  await write(client, key, whole.subarray(0, -10));
  expect(await park(driver)).toEqual(["a"]);
  const record = await driver.records?.get("a");
  expect(record).toMatchObject({ state: "failed", failure: { code: "ENVELOPE_DAMAGED" } });
  expect(record?.payload).toEqual(whole.subarray(0, -10));
});

test.each([
  ["keeps", 35_000, 50_000],
  ["loses", 60_000, 20_000],
])(
  "a cut off job that %s %i bytes of tags fits again, with the beginning of its bytes, and holds up no other",
  async (end, size, bytes) => {
    const { driver, client } = await stage().join({}, { valueBytes: 128 * 1024, transactionBytes: 256 * 1024 });
    const tags = { large: "x".repeat(size) };
    await driver.push([item("a", { tags, payload: new Uint8Array(bytes) }), item("b")]);
    const [key = ""] = await keysIn(client, "r");
    const whole = (await client.get(key))?.value ?? new Uint8Array(0);
    await write(client, key, whole.subarray(0, -10));
    client.onTransact = async (writes, send) => {
      const largest = Math.max(...writes.map((one) => ("put" in one ? one.value.length : 0)));
      if (largest > 128 * 1024) throw new JobferryError("PAYLOAD_TOO_LARGE", "The value is too large.");
      return send();
    };
    expect((await park(driver)).toSorted()).toEqual(["a", "b"]);
    const record = await driver.records?.get("a");
    expect(record).toMatchObject({ state: "failed", tags: end === "keeps" ? tags : {} });
    const { length } = record?.payload ?? [];
    expect(record?.payload).toEqual(whole.subarray(0, length));
    expect(length).toBeLessThan(82_000 - (end === "keeps" ? size : 0));
  },
);

test("core parks it in failed, tells it once, and it can be looked up and removed", async () => {
  const { driver, client } = await stage().join();
  const told: string[] = [];
  const logger = { debug() {}, info() {}, warn() {}, error: (_: object, message: string) => void told.push(message) };
  const queue = await new Queue(driver, { logger }).open();
  await driver.push([item("a"), item("b", { envelope: Uint8Array.of(1, 0) })]);
  const key = await damageFirst(client, "r");
  expect((await queue.popBatch(5, { queue: "q" })).map(({ id }) => id)).toEqual(["b"]);
  const id = `damaged:${key}`;
  expect(told).toEqual([expect.stringContaining(`Job ${id} cannot be read and is parked in failed`)]);
  expect(await queue.records.get(id)).toMatchObject({ state: "failed", damage: { code: "ENVELOPE_DAMAGED" } });
  expect(await queue.records.remove([id])).toBe(1);
  expect(await keysIn(client, "f")).toEqual([]);
});

test("what waits and cannot be read is found, listed and removed by the key where it lies", async () => {
  const { driver, client } = await stage().join();
  await driver.push([item("a"), item("b", { delayMs: 60_000 })]);
  const ids = [await damageFirst(client, "r"), await damageFirst(client, "d")].map((key) => `damaged:${key}`);
  const page = await driver.records?.list({}, { limit: 10 });
  expect(page?.jobs.map(({ id, state }) => [id, state])).toEqual([
    [ids[0], "pending"],
    [ids[1], "delayed"],
  ]);
  expect(await driver.records?.get(ids[1] ?? "")).toMatchObject({ state: "delayed", queue: "unknown" });
  expect(await driver.records?.get("damaged:jobs/q/q")).toBeUndefined();
  expect(await driver.records?.remove(ids)).toBe(2);
  expect(await driver.stats()).toMatchObject({ pending: 0, delayed: 0 });
});

async function isParked({ driver, client }: Member, died: readonly unknown[], from: string): Promise<void> {
  expect(died).toMatchObject([{ id: `damaged:${from}`, state: "failed", failure: { code: "ENVELOPE_DAMAGED" } }]);
  expect(await keysIn(client, "f")).toHaveLength(1);
  const record = await driver.records?.get(`damaged:${from}`);
  expect(Buffer.from(record?.payload ?? []).toString()).toBe(DAMAGED.toString());
}

test("a delayed job that cannot be read is parked when it is due, told once, and those beside it become ready", async () => {
  const { join, clock } = stage();
  const member = await join();
  const { driver, client } = member;
  await driver.push(["a", "b"].map((id) => item(id, { delayMs: 5_000 })));
  const key = await damageFirst(client, "d");
  await clock.advance("6s");
  const { died, reservations } = await driver.reserve({ queues: ["q"], max: 5, leaseMs: 30_000, waitMs: 0 });
  expect(idsOf(reservations)).toEqual(["b"]);
  await isParked(member, died, key);
  expect((await driver.maintain({ max: 10 })).died).toEqual([]);
});

test("what a dead process held and cannot be read is parked, and the rest comes back", async () => {
  const { join, clock } = stage();
  const [dead, member] = [await join({ sessionTtl: "2s" }), await join({ sessionTtl: "2s" })];
  await dead.driver.push([item("a"), item("b")]);
  await take(dead.driver, 2, 2_000);
  const owners = (await member.client.list("jobs/w/")).entries.map(({ key }) => key.slice("jobs/w/".length));
  const held = await Promise.all(owners.map((owner) => member.client.list(`jobs/p.${owner}/`)));
  const [first] = held.flatMap(({ entries }) => entries);
  if (first === undefined) throw new Error("nothing is held");
  await write(member.client, first.key, DAMAGED);
  dead.client.die();
  await clock.advance("10s");
  const { died, recovered } = await member.driver.maintain({ max: 10 });
  await clock.advance("10s");
  const more = await member.driver.maintain({ max: 10 });
  expect(recovered + more.recovered).toBe(1);
  await isParked(member, [...died, ...more.died], first.key);
  expect(idsOf(await take(member.driver, 5))).toEqual(["b"]);
});

test("a failed job that cannot be read goes when those beside it go, and keeps none", async () => {
  const { join, clock } = stage();
  const { driver, client } = await join({}, {}, { count: Infinity, ageMs: 60_000 });
  const failure = { code: "HANDLER_FAILED", name: "Error", message: "", stack: undefined };
  for (const id of ["a", "b"]) {
    await driver.push([item(id)]);
    const held = await take(driver);
    await driver.finish(held.map((reservation) => ({ reservation, outcome: "fail", failure }) as const));
    await clock.advance("40s");
  }
  await damageFirst(client, "f");
  expect((await driver.maintain({ max: 10 })).pruned).toBe(1);
  expect((await driver.records?.list({ state: "failed" }, { limit: 10 }))?.jobs.map(({ id }) => id)).toEqual(["b"]);
});
