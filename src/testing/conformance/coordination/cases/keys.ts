import assert from "node:assert/strict";
import type { CoordinationCaseGroup } from "../case.ts";
import { AREA, bytesOf, keyOf } from "../stage.ts";

const names = (entries: readonly Readonly<{ key: string }>[]): readonly string[] => entries.map(({ key }) => key);

export const keys: CoordinationCaseGroup = {
  group: "keys",
  cases: [
    {
      name: "a key holds what was put last, for every client, until it is deleted",
      run: async (stage) => {
        const other = await stage.another();
        assert.equal(await stage.get("a"), undefined);
        await stage.put("a", "1");
        assert.equal(await stage.valueOf("a", other), "1");
        await stage.put("a", "2", { client: other });
        assert.equal(await stage.valueOf("a"), "2");
        await stage.remove("a");
        assert.equal(await stage.get("a", other), undefined);
        await stage.remove("a");
      },
    },
    {
      name: "values are bytes: empty, binary, and as large as the store takes",
      run: async (stage) => {
        const { valueBytes } = stage.capabilities.limits;
        const binary = Uint8Array.from({ length: 256 }, (_, index) => index);
        const large = new Uint8Array(Math.min(valueBytes, 1_048_576)).fill(0xa5);
        for (const value of [new Uint8Array(), binary, large]) {
          await stage.write([{ put: keyOf("bytes"), value }]);
          const found = await stage.get("bytes");
          assert.ok(found !== undefined && Buffer.from(found.value).equals(value), `${value.length} bytes come back`);
        }
      },
    },
    {
      name: "what a program does to a value later changes nothing",
      run: async (stage) => {
        const value = bytesOf("kept");
        await stage.write([{ put: keyOf("a"), value }]);
        value.fill(0);
        const found = await stage.get("a");
        assert.equal(await stage.valueOf("a"), "kept");
        found?.value.fill(0);
        assert.equal(await stage.valueOf("a"), "kept");
      },
    },
    {
      name: "every character of a key is told apart, and a key as long as the store takes works",
      run: async (stage) => {
        const odd = ["a", "A", "a.", "a_", "a~", "a%2F", "a-", "0", "a/b", "a/b/c"];
        for (const name of odd) await stage.put(name, name);
        const entries = await stage.list();
        assert.deepEqual(names(entries).toSorted(), odd.map(keyOf).toSorted());
        const long = "k".repeat(stage.capabilities.limits.keyBytes - keyOf("").length);
        await stage.put(long, "long");
        assert.equal(await stage.valueOf(long), "long");
      },
    },
    {
      name: "list gives a prefix in the order of the bytes, with limit and after",
      run: async (stage) => {
        for (const name of ["b/2", "a", "b/10", "b/1", "c", "b", "B"]) await stage.put(name, name);
        await stage.write([{ put: "suite/others/b", value: bytesOf("elsewhere") }]);
        assert.deepEqual(names(await stage.list()), ["B", "a", "b", "b/1", "b/10", "b/2", "c"].map(keyOf));
        assert.deepEqual(names(await stage.list(keyOf("b/"))), ["b/1", "b/10", "b/2"].map(keyOf));
        assert.deepEqual(names(await stage.list(keyOf("none"))), []);
        const first = await stage.settles(stage.store.list(`${AREA}/`, { limit: 2 }), 0, "list");
        assert.deepEqual(names(first.entries), ["B", "a"].map(keyOf));
        const after = { limit: 3, after: keyOf("a") };
        const next = await stage.settles(stage.store.list(`${AREA}/`, after), 0, "list");
        assert.deepEqual(names(next.entries), ["b", "b/1", "b/10"].map(keyOf));
      },
    },
    {
      name: "list shows values and versions as get does, and is never older than the client's own last write",
      run: async (stage) => {
        for (let round = 0; round < 20; round += 1) {
          const version = await stage.put("a", String(round));
          const [entry] = await stage.list();
          assert.deepEqual(entry, await stage.get("a"));
          assert.equal(entry?.version, version, "list shows the client's own last write");
        }
      },
    },
  ],
};
