import assert from "node:assert/strict";
import type { Capabilities, CountQuality, Driver, Durability, ErrorClass, Support } from "../../../contract/index.ts";
import { JobferryError } from "../../../errors/index.ts";
import type { CaseGroup } from "../case.ts";
import { coordination } from "../requirements.ts";
import { QUEUE } from "../stage.ts";

const SUPPORT: readonly Support[] = ["native", "emulated", "unsupported"];
const DURABILITY: readonly Durability[] = ["unknown", "process", "serverCrash", "power", "quorum"];
const QUALITY: readonly CountQuality[] = ["exact", "approximate", "none"];

function oneOf(field: string, value: unknown, known: readonly unknown[]): void {
  assert.ok(known.includes(value), `${field} is ${String(value)}; it must be one of ${known.join(", ")}`);
}

function atLeast(field: string, value: unknown, min: number): void {
  assert.ok(typeof value === "number" && value >= min, `${field} is ${String(value)}; it must be a number from ${min}`);
}

function flag(field: string, value: unknown): void {
  assert.equal(typeof value, "boolean", `${field} is true or false`);
}

const OPTIONAL: ReadonlySet<keyof Capabilities> = new Set(["backlog"]);
type Checks = { readonly [K in keyof Required<Capabilities>]: (value: Capabilities[K]) => void };

/** One check for each capability, so that a new one cannot be forgotten. */
const capabilityChecks: Checks = {
  durability: (value) => oneOf("durability", value, DURABILITY),
  shared: (value) => flag("shared", value),
  pushById: (value) => flag("pushById", value),
  attempts: (value) => oneOf("attempts", value, ["exact", "approximate"]),
  finish: (value) => oneOf("finish", value, ["confirmed", "sent"]),
  release: (value) => oneOf("release", value, ["native", "byCopy"]),
  refund: (value) => flag("refund", value),
  priority: ({ support, order, min, max }) => {
    oneOf("priority.support", support, SUPPORT);
    oneOf("priority.order", order, ["strict", "approximate"]);
    assert.ok(min <= 0 && max >= 0, `priorities from ${min} to ${max} must hold the default 0`);
    if (support === "unsupported") assert.deepEqual([min, max], [0, 0], "without priorities the only one is 0");
    else assert.ok(max > min, "priorities need at least two levels");
  },
  fifo: (value) => flag("fifo", value),
  delay: ({ support, precisionMs, maxMs }) => {
    oneOf("delay.support", support, SUPPORT);
    atLeast("delay.precisionMs", precisionMs, 0);
    atLeast("delay.maxMs", maxMs, support === "unsupported" ? 0 : 1);
    if (support === "unsupported") assert.equal(maxMs, 0, "without delays delay.maxMs is 0");
  },
  lease: ({ ends, grainMs, minMs, extend }) => {
    oneOf("lease.ends", ends, ["deadline", "connection"]);
    atLeast("lease.grainMs", grainMs, 0);
    atLeast("lease.minMs", minMs, 0);
    oneOf("lease.extend", extend, SUPPORT);
  },
  batch: ({ atomic, maxItems, maxBytes, roundTrip = false }) => {
    flag("batch.roundTrip", roundTrip);
    atLeast("batch.atomic", atomic, 1);
    atLeast("batch.maxItems", maxItems, 1);
    atLeast("batch.maxBytes", maxBytes, 1);
  },
  payload: ({ maxBytes }) => atLeast("payload.maxBytes", maxBytes, 1_024),
  backlog: (value) => {
    if (value === undefined) return;
    atLeast("backlog.maxJobs", value.maxJobs, 1);
    atLeast("backlog.maxBytes", value.maxBytes, 1);
  },
  wakeup: ({ kind, pollMs }) => {
    oneOf("wakeup.kind", kind, ["notify", "poll"]);
    atLeast("wakeup.pollMs", pollMs, 0);
  },
  pause: ({ support, lagMs }) => {
    oneOf("pause.support", support, SUPPORT);
    atLeast("pause.lagMs", lagMs, 0);
  },
  clear: ({ support, counts }) => {
    oneOf("clear.support", support, SUPPORT);
    flag("clear.counts", counts);
  },
  stats: (stats) => {
    for (const state of ["pending", "delayed", "reserved", "failed", "completed"] as const)
      oneOf(`stats.${state}`, stats[state], QUALITY);
  },
  records: (value) => oneOf("records", value, [true, "resting", false]),
  failedJobs: (value) => flag("failedJobs", value),
  transactions: (value) => flag("transactions", value),
  coordination: (value) => flag("coordination", value),
};

function checkCapability<K extends keyof Capabilities>(key: K, capabilities: Capabilities): void {
  assert.ok(key in capabilities || OPTIONAL.has(key), `open() tells capability ${key}`);
  capabilityChecks[key](capabilities[key]);
}

/** The class of an error must come for anything that can be thrown, and never throw itself. */
const THROWN: readonly unknown[] = [
  new Error("a raw error"),
  "text",
  undefined,
  null,
  7,
  { code: "ECONNREFUSED" },
  Object.create(null),
];

function classified(driver: Driver, thrown: unknown): ErrorClass {
  try {
    return driver.classify(thrown);
  } catch (error) {
    return assert.fail(`classify throws for a thrown ${typeof thrown}: ${String(error)}`);
  }
}

async function closesBlocked(driver: Driver, waiting: Promise<unknown>[], leaseMs: number): Promise<void> {
  for (let index = 0; index < 3; index += 1) {
    waiting.push(driver.reserve({ queues: [QUEUE], max: 10, leaseMs, waitMs: 3_600_000 }));
  }
  await driver.close();
}

export const lifecycle: CaseGroup = {
  group: "life cycle",
  cases: [
    {
      name: "open tells every capability, in range and without contradiction",
      run: async ({ capabilities }) => {
        for (const key of Object.keys(capabilityChecks) as (keyof Capabilities)[]) checkCapability(key, capabilities);
      },
    },
    {
      name: "records and coordination are there exactly where they are declared",
      run: async ({ driver, capabilities }) => {
        assert.equal(driver.records !== undefined, capabilities.records !== false, "records");
        assert.equal(driver.coordination !== undefined, capabilities.coordination, "coordination");
        oneOf("keeps", driver.keeps, [undefined, "copy", "reference"]);
      },
    },
    {
      name: "the coordination store opens, keeps a key and closes, whatever the driver does",
      requires: coordination,
      run: async (stage) => {
        const { coordination: store } = stage.driver;
        assert.ok(store !== undefined);
        await stage.settles(store.open({ clock: stage.clock }), 0, "open of the coordination store");
        const { minTtlMs, maxTtlMs } = store.capabilities.session;
        // Servers may bound it further than the store knows before it asks.
        const ttlMs = Math.max(minTtlMs, Math.min(maxTtlMs, 30_000));
        const session = await stage.settles(store.openSession(ttlMs), 0, "openSession");
        const write = { put: "suite/beside/jobs", value: new Uint8Array([7]), session: session.id };
        const { ok } = await stage.settles(store.transact([{ key: write.put, absent: true }], [write]), 0, "transact");
        assert.ok(ok, "a key is put");
        await stage.settles(stage.driver.close(), 0, "close of the driver");
        const found = await stage.settles(store.get(write.put), 0, "get");
        assert.deepEqual(found?.value, write.value, "the key is there after the driver closed");
        await stage.settles(session.close(), 0, "close of the session");
        await stage.settles(store.close(), 0, "close of the coordination store");
      },
    },
    {
      name: "close twice, one after the other and at the same time",
      run: async (stage) => {
        await stage.settles(Promise.all([stage.driver.close(), stage.driver.close()]), 0, "two closes at once");
        await stage.settles(stage.driver.close(), 0, "a third close");
      },
    },
    {
      name: "close while consumers are blocked resolves them",
      run: async (stage) => {
        const waiting: Promise<unknown>[] = [];
        const closed = closesBlocked(stage.driver, waiting, stage.leaseMs);
        await stage.settles(closed, 0, "close");
        for (const reserve of waiting) {
          const result = await stage.settles(reserve, 0, "a reserve that was blocked when the driver closed");
          assert.deepEqual(
            (result as { reservations: unknown }).reservations,
            [],
            "reservations of a blocked reserve after close",
          );
        }
      },
    },
    {
      name: "a closed driver confirms no push and gives no job",
      run: async (stage) => {
        await stage.push(stage.item());
        const { driver } = stage;
        await stage.close();
        const pushed = await stage.settles(
          driver.push([stage.item()]).catch(() => []),
          stage.patienceMs,
          "push after close",
        );
        assert.ok(
          pushed.every(({ status }) => status !== "stored" && status !== "exists"),
          "a push after close is not confirmed",
        );
        const reserved = await stage.settles(
          driver.reserve({ queues: [QUEUE], max: 1, leaseMs: stage.leaseMs, waitMs: 0 }).catch(() => undefined),
          stage.patienceMs,
          "reserve after close",
        );
        assert.deepEqual(reserved?.reservations ?? [], [], "jobs from a closed driver");
      },
    },
    {
      name: "empty batches are answered and change nothing",
      run: async (stage) => {
        assert.deepEqual(await stage.tryPush([]), []);
        assert.deepEqual(await stage.finish([]), []);
        if (stage.capabilities.lease.extend !== "unsupported") assert.deepEqual(await stage.extend([], 1_000), []);
        await stage.nothing();
      },
    },
    {
      name: "classify answers for whatever was thrown",
      run: async ({ driver }) => {
        for (const thrown of THROWN) {
          const { code, retryable } = classified(driver, thrown);
          assert.match(code, /^[A-Z_]+$/, "the code of an error");
          assert.equal(typeof retryable, "boolean", "retryable");
        }
        assert.equal(
          driver.classify(new JobferryError("STORE_FULL", "full")).code,
          "STORE_FULL",
          "a Jobferry error keeps its code",
        );
      },
    },
  ],
};
