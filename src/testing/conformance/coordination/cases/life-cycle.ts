import assert from "node:assert/strict";
import type { CoordinationCapabilities } from "../../../../contract/index.ts";
import type { CoordinationCaseGroup } from "../case.ts";
import { AREA, bytesOf, keyOf } from "../stage.ts";

type Check<K extends keyof CoordinationCapabilities> = (value: CoordinationCapabilities[K]) => void;
type Checks = { readonly [K in keyof CoordinationCapabilities]: Check<K> };

function atLeast(field: string, value: unknown, min: number): void {
  assert.ok(typeof value === "number" && value >= min, `${field} is ${String(value)}; it must be a number from ${min}`);
}

/** One check for each capability, so that a new one cannot be forgotten. */
const checks: Checks = {
  shared: (value) => assert.equal(typeof value, "boolean", "shared is true or false"),
  consistency: (value) => assert.match(value, /^(linearizable|untilFailover)$/),
  session: ({ minTtlMs, maxTtlMs, endFactor, endLagMs, mayEndEarly = false }) => {
    assert.equal(typeof mayEndEarly, "boolean", "session.mayEndEarly is true or false");
    atLeast("session.minTtlMs", minTtlMs, 1);
    atLeast("session.maxTtlMs", maxTtlMs, minTtlMs);
    atLeast("session.endFactor", endFactor, 1);
    atLeast("session.endLagMs", endLagMs, 0);
  },
  watch: ({ lagMs }) => atLeast("watch.lagMs", lagMs, 0),
  limits: ({ keyBytes, valueBytes, operations, overwrite = 1, transactionBytes }) => {
    atLeast("limits.keyBytes", keyBytes, 200);
    atLeast("limits.valueBytes", valueBytes, 10_000);
    atLeast("limits.operations", operations, 8);
    atLeast("limits.overwrite", overwrite, 1);
    atLeast("limits.transactionBytes", transactionBytes, valueBytes);
  },
};

export const lifeCycle: CoordinationCaseGroup = {
  group: "life cycle",
  cases: [
    {
      name: "a store tells its capabilities before it is opened, in range",
      run: async (stage) => {
        const { capabilities } = await stage.target.reopen(stage.store);
        assert.deepEqual(Object.keys(capabilities).toSorted(), Object.keys(checks).toSorted());
        for (const [name, check] of Object.entries(checks)) {
          (check as (value: unknown) => void)(capabilities[name as keyof CoordinationCapabilities]);
        }
      },
    },
    {
      name: "calls before open are NOT_OPEN",
      run: async (stage) => {
        const client = await stage.target.reopen(stage.store);
        await stage.refuses(() => client.get(keyOf("a")), "NOT_OPEN", "get before open");
        await stage.refuses(() => client.list(`${AREA}/`), "NOT_OPEN", "list before open");
        const write = { put: keyOf("a"), value: bytesOf("1") };
        await stage.refuses(() => client.transact([], [write]), "NOT_OPEN", "transact before open");
        await stage.refuses(() => client.openSession(stage.ttlMs), "NOT_OPEN", "openSession before open");
        await client.close();
      },
    },
    {
      name: "close is idempotent, and calls after it are CLOSED",
      run: async (stage) => {
        const client = await stage.another();
        await stage.settles(Promise.all([client.close(), client.close()]), 0, "close twice at once");
        await stage.settles(client.close(), 0, "close again");
        await stage.refuses(() => client.get(keyOf("a")), "CLOSED", "get after close");
        await stage.refuses(() => client.transact([], [{ delete: keyOf("a") }]), "CLOSED", "transact after close");
        await stage.refuses(() => client.open({ clock: stage.clock }), "CLOSED", "open after close");
      },
    },
    {
      name: "close ends watches",
      run: async (stage) => {
        const client = await stage.another();
        const watcher = stage.watch(client);
        await stage.sees(watcher, {});
        await stage.settles(client.close(), 0, "close");
        await stage.settles(watcher.ended, stage.lagMs, "the watch of a closed store");
      },
    },
    {
      name: "what one client wrote is there after it closed, but for what its session owned and ended",
      run: async (stage) => {
        const client = await stage.another();
        const session = await stage.openSession(client);
        await stage.put("stays", "1", { client });
        await stage.put("goes", "2", { client, session });
        await stage.settles(session.close(), 0, "close of a session");
        await stage.settles(client.close(), 0, "close");
        assert.deepEqual(await stage.valueOf("stays"), "1");
        assert.equal(await stage.get("goes"), undefined);
      },
    },
    {
      name: "classify answers for whatever was thrown",
      run: async (stage) => {
        for (const thrown of [new Error("x"), "text", undefined, null, 7, { code: 5 }]) {
          const { code, retryable } = stage.store.classify(thrown);
          assert.equal(typeof code, "string", "classify tells a code");
          assert.equal(typeof retryable, "boolean", "classify tells whether to try again");
        }
      },
    },
  ],
};
