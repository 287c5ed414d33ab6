import assert from "node:assert/strict";
import type { CoordinationWrite } from "../../../../contract/index.ts";
import type { CoordinationCaseGroup } from "../case.ts";
import { bytesOf, keyOf } from "../stage.ts";

const LARGEST_TESTED_BYTES = 16 * 1_048_576;

/** Stores that take thousands need not be asked for all of them. */
const MOST_OPERATIONS = 128;

const keysFrom = (name: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => keyOf(`${name}${index}`));

const puts = (count: number, value = bytesOf("x")): readonly CoordinationWrite[] =>
  Array.from({ length: count }, (_, index) => ({ put: keyOf(`k${index}`), value }));

export const limits: CoordinationCaseGroup = {
  group: "limits",
  cases: [
    {
      name: "a key that is too long, or none, is INVALID_ARGUMENT",
      run: async (stage) => {
        const long = keyOf("k".repeat(stage.capabilities.limits.keyBytes + 1 - keyOf("").length));
        const bad = [long, "", "a", "a/b", "/a/b/c", "a/b/", "a//b/c", "a/b/c d", "a/b/ü", "a/b/\u0000", "a/b/c/"];
        for (const key of bad) {
          const write = { put: key, value: bytesOf("1") };
          await stage.refuses(
            () => stage.store.transact([], [write]),
            "INVALID_ARGUMENT",
            `a put of ${key.slice(0, 20)}`,
          );
          await stage.refuses(() => stage.store.get(key), "INVALID_ARGUMENT", `a get of ${key.slice(0, 20)}`);
        }
        await stage.refuses(() => stage.store.list("a"), "INVALID_ARGUMENT", "a list across areas");
      },
    },
    {
      name: "a value that is too large is PAYLOAD_TOO_LARGE, before anything is stored",
      run: async (stage) => {
        const { valueBytes } = stage.capabilities.limits;
        if (valueBytes > LARGEST_TESTED_BYTES) return;
        const writes = [
          { put: keyOf("a"), value: bytesOf("1") },
          { put: keyOf("b"), value: new Uint8Array(valueBytes + 1) },
        ];
        await stage.refuses(() => stage.store.transact([], writes), "PAYLOAD_TOO_LARGE", "a value beyond the limit");
        assert.equal(await stage.get("a"), undefined);
      },
    },
    {
      name: "a transaction with too many operations, or with none, is INVALID_ARGUMENT",
      run: async (stage) => {
        const { operations, overwrite = 1 } = stage.capabilities.limits;
        await stage.refuses(
          () => stage.store.transact([], puts(operations + 1)),
          "INVALID_ARGUMENT",
          "too many writes",
        );
        const compares = puts(operations).map((_, index) => ({ key: keyOf(`k${index}`), absent: true }) as const);
        await stage.refuses(() => stage.store.transact(compares, puts(1)), "INVALID_ARGUMENT", "too many operations");
        await stage.refuses(() => stage.store.transact([], []), "INVALID_ARGUMENT", "an empty transaction");
        assert.equal(await stage.get("k0"), undefined);
        assert.ok(await stage.tries(compares.slice(overwrite), puts(1)), "as many as the limit says are taken");
      },
    },
    {
      name: "puts of keys that are unused, or compared as absent, count one operation, and are there with their versions",
      run: async (stage) => {
        const { operations } = stage.capabilities.limits;
        const half = Math.floor(Math.min(operations, MOST_OPERATIONS) / 2);
        const absent = keysFrom("a", half).map((key) => ({ key, absent: true }) as const);
        const made = absent.map(({ key }) => ({ put: key, value: bytesOf("x") }));
        assert.ok(await stage.tries(absent, made), "puts of keys that are compared as absent");
        const unused = keysFrom("u", 2 * half).map((key) => ({
          ...{ put: key, value: bytesOf("x"), once: true, unused: true },
        }));
        const done = await stage.store.transact([], unused);
        assert.ok(done.ok, "puts of keys that are unused");
        const compares = unused.slice(0, half).map(({ put }, index) => {
          return { key: put, version: done.versions[index] ?? "", once: true };
        });
        const deletes = compares.map(({ key }) => ({ delete: key }));
        assert.ok(await stage.tries(compares, deletes), "what the put answered can be compared");
        assert.equal(await stage.get("u0"), undefined);
        assert.equal(await stage.valueOf(`u${2 * half - 1}`), "x");
      },
    },
    {
      name: "a transaction that is too large as a whole is PAYLOAD_TOO_LARGE",
      run: async (stage) => {
        const { valueBytes, transactionBytes, operations } = stage.capabilities.limits;
        const count = Math.ceil(transactionBytes / valueBytes) + 1;
        if (count > operations || transactionBytes > LARGEST_TESTED_BYTES) return;
        const writes = puts(count, new Uint8Array(valueBytes));
        await stage.refuses(
          () => stage.store.transact([], writes),
          "PAYLOAD_TOO_LARGE",
          "a transaction beyond the limit",
        );
        assert.equal(await stage.get("k0"), undefined);
      },
    },
    {
      name: "a key that is written twice, or two sessions in one transaction, are INVALID_ARGUMENT",
      run: async (stage) => {
        const twice = [{ put: keyOf("a"), value: bytesOf("1") }, { delete: keyOf("a") }];
        await stage.refuses(() => stage.store.transact([], twice), "INVALID_ARGUMENT", "two writes of one key");
        const [first, second] = [await stage.openSession(), await stage.openSession()];
        const write = { put: keyOf("a"), value: bytesOf("1"), session: first.id };
        const compares = [{ session: second.id }];
        await stage.refuses(() => stage.store.transact(compares, [write]), "INVALID_ARGUMENT", "two sessions");
        assert.equal(await stage.get("a"), undefined);
      },
    },
    {
      name: "a time to live outside of the limits is INVALID_ARGUMENT",
      run: async (stage) => {
        const { minTtlMs, maxTtlMs } = stage.capabilities.session;
        for (const ttl of [minTtlMs - 1, maxTtlMs + 1, Number.NaN, -1]) {
          await stage.refuses(() => stage.store.openSession(ttl), "INVALID_ARGUMENT", `a time to live of ${ttl} ms`);
        }
        await (await stage.openSession(stage.store, minTtlMs)).close();
      },
    },
  ],
};
