import assert from "node:assert/strict";
import type { CoordinationStore } from "../../../../contract/index.ts";
import type { CoordinationCaseGroup } from "../case.ts";
import { bytesOf, keyOf, textOf } from "../stage.ts";
import type { CoordinationStage } from "../stage.ts";

/** One reader and writer of a counter that repeats until its write counted. */
async function addOne(stage: CoordinationStage, client: CoordinationStore): Promise<void> {
  for (;;) {
    const found = await client.get(keyOf("counter"));
    const next = bytesOf(String(Number(textOf(found) ?? "0") + 1));
    const compare =
      found === undefined
        ? ({ key: keyOf("counter"), absent: true } as const)
        : { key: keyOf("counter"), version: found.version };
    if ((await client.transact([compare], [{ put: keyOf("counter"), value: next }])).ok) return;
    await stage.pass(0);
  }
}

export const compareAndSet: CoordinationCaseGroup = {
  group: "compare-and-set",
  cases: [
    {
      name: "a version that is not the newest changes nothing",
      run: async (stage) => {
        const first = await stage.put("a", "1");
        const second = await stage.put("a", "2");
        const write = { put: keyOf("a"), value: bytesOf("3") };
        assert.equal(await stage.tries([{ key: keyOf("a"), version: first }], [write]), false);
        assert.equal(await stage.valueOf("a"), "2");
        assert.equal(await stage.tries([{ key: keyOf("a"), version: second }], [write]), true);
        assert.equal(await stage.valueOf("a"), "3");
      },
    },
    {
      name: "absent holds for a key that is not there, and only then",
      run: async (stage) => {
        const absent = { key: keyOf("a"), absent: true } as const;
        const write = { put: keyOf("a"), value: bytesOf("1") };
        assert.equal(await stage.tries([absent], [write]), true);
        assert.equal(await stage.tries([absent], [write]), false);
        await stage.remove("a");
        assert.equal(await stage.tries([absent], [write]), true);
      },
    },
    {
      name: "a version of a key that is gone does not hold, also when it was made anew",
      run: async (stage) => {
        const version = await stage.put("a", "1");
        const write = { put: keyOf("a"), value: bytesOf("2") };
        await stage.remove("a");
        assert.equal(await stage.tries([{ key: keyOf("a"), version }], [write]), false);
        await stage.put("a", "1");
        assert.equal(await stage.tries([{ key: keyOf("a"), version }], [write]), false);
      },
    },
    {
      name: "a delete can be conditional",
      run: async (stage) => {
        const version = await stage.put("a", "1");
        await stage.put("a", "2");
        assert.equal(await stage.tries([{ key: keyOf("a"), version }], [{ delete: keyOf("a") }]), false);
        assert.equal(await stage.valueOf("a"), "2");
        const newest = (await stage.get("a"))?.version ?? "";
        assert.equal(await stage.tries([{ key: keyOf("a"), version: newest }], [{ delete: keyOf("a") }]), true);
        assert.equal(await stage.get("a"), undefined);
      },
    },
    {
      name: "all or nothing: one compare of several that fails stops every write",
      run: async (stage) => {
        const version = await stage.put("a", "1");
        await stage.put("b", "1");
        const writes = [{ put: keyOf("a"), value: bytesOf("2") }, { delete: keyOf("b") }];
        const compares = [
          { key: keyOf("a"), version },
          { key: keyOf("b"), absent: true },
        ] as const;
        assert.equal(await stage.tries(compares, writes), false);
        assert.deepEqual([await stage.valueOf("a"), await stage.valueOf("b")], ["1", "1"]);
        assert.equal(await stage.tries(compares.slice(0, 1), writes), true);
        assert.deepEqual([await stage.valueOf("a"), await stage.valueOf("b")], ["2", undefined]);
      },
    },
    {
      name: "a transaction as large as the store takes is one step for every reader",
      run: async (stage) => {
        const count = Math.min(64, stage.capabilities.limits.operations);
        const other = await stage.another();
        const writes = (value: string): readonly Readonly<{ put: string; value: Uint8Array }>[] =>
          Array.from({ length: count }, (_, index) => ({ put: keyOf(`k${index}`), value: bytesOf(value) }));
        await stage.write(writes("0"));
        let wrote = false;
        const written = (async () => {
          for (let round = 1; round <= 10; round += 1) await stage.store.transact([], writes(String(round)));
          wrote = true;
        })();
        written.catch(() => (wrote = true)); // told below; a check that fails before must not leave it unheard
        while (!wrote) {
          const { entries } = await other.list(keyOf(""));
          assert.equal(entries.length, count);
          assert.equal(new Set(entries.map(textOf)).size, 1, "a reader sees a transaction whole or not at all");
          await stage.pass(0);
        }
        await written;
      },
    },
    {
      name: "of many that write at once on one condition exactly one counts",
      run: async (stage) => {
        const clients = [stage.store, await stage.another(), await stage.another()];
        const absent = { key: keyOf("once"), absent: true } as const;
        for (let round = 0; round < 10; round += 1) {
          const tries = clients.flatMap((client, place) =>
            [0, 1, 2].map((part) =>
              client.transact([absent], [{ put: keyOf("once"), value: bytesOf(`${place}-${part}`) }]),
            ),
          );
          const results = await stage.settles(Promise.all(tries), 0, "transactions at once");
          assert.equal(results.filter(({ ok }) => ok).length, 1, "one winner");
          await stage.remove("once");
        }
      },
    },
    {
      name: "no addition is lost among several clients",
      run: async (stage) => {
        const clients = [stage.store, await stage.another(), await stage.another()];
        const additions = clients.map(async (client) => {
          for (let round = 0; round < 15; round += 1) await addOne(stage, client);
        });
        await stage.settles(Promise.all(additions), 0, "additions of three clients");
        assert.equal(await stage.valueOf("counter"), "45");
      },
    },
  ],
};
