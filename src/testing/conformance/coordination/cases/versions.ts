import assert from "node:assert/strict";
import type { CoordinationCaseGroup } from "../case.ts";
import { bytesOf, keyOf } from "../stage.ts";

export const versions: CoordinationCaseGroup = {
  group: "versions",
  cases: [
    {
      name: "transact, get and list tell the same version of a key",
      run: async (stage) => {
        const [a, , c] = await stage.write([
          { put: keyOf("a"), value: bytesOf("1") },
          { delete: keyOf("b") },
          { put: keyOf("c"), value: bytesOf("3") },
        ]);
        assert.equal((await stage.get("a"))?.version, a);
        assert.equal((await stage.get("c"))?.version, c);
        assert.deepEqual(
          (await stage.list()).map(({ version }) => version),
          [a, c],
        );
      },
    },
    {
      name: "the version of a key only rises, also over delete and create and the end of a session",
      run: async (stage) => {
        const other = await stage.another();
        let last = 0n;
        const rises = async (version: string): Promise<void> => {
          assert.ok(BigInt(version) > last, `the version rose from ${last} to ${version}`);
          last = BigInt(version);
        };
        for (let round = 0; round < 6; round += 1) {
          const client = round % 2 === 0 ? stage.store : other;
          await rises(await stage.put("a", "same", { client }));
          if (round % 3 === 1) await stage.remove("a", client);
          const session = await stage.openSession(client);
          await rises(await stage.put("a", "same", { client, session }));
          await stage.settles(session.close(), 0, "close of a session");
          assert.equal(await stage.get("a"), undefined);
        }
      },
    },
    {
      name: "a put of a key that is thought to be unused and is there raises its version, also with the same value",
      run: async (stage) => {
        const other = await stage.another();
        const first = await stage.put("a", "same", { client: other });
        const put = { put: keyOf("a"), value: bytesOf("same"), unused: true };
        let last = first;
        for (const client of [stage.store, other, stage.store]) {
          const [version = ""] = await stage.write([put], client);
          assert.ok(BigInt(version) > BigInt(last), `the version rose from ${last} to ${version}`);
          assert.equal((await stage.get("a"))?.version, version, "get tells the version that the put told");
          assert.equal((await stage.get("a", other))?.version, version, "another client tells it, too");
          last = version;
        }
        const write = { delete: keyOf("a") };
        assert.equal(await stage.tries([{ key: keyOf("a"), version: first }], [write]), false, "the version before");
        assert.equal(await stage.tries([{ key: keyOf("a"), version: last }], [write], other), true, "the last version");
      },
    },
    {
      name: "of two keys the one written later has the higher version, whoever wrote them",
      run: async (stage) => {
        const clients = [stage.store, await stage.another(), await stage.another()];
        let last = 0n;
        for (let round = 0; round < 30; round += 1) {
          const client = clients[round % clients.length] ?? stage.store;
          const version = BigInt(await stage.put(`k${round % 7}`, String(round), { client }));
          assert.ok(version > last, `the write of round ${round} has ${version}, the one before ${last}`);
          last = version;
          if (round % 5 === 4) await stage.remove(`k${round % 7}`, client);
        }
      },
    },
    {
      name: "commits are seen in the order of their versions: none appears below one that was seen",
      run: async (stage) => {
        const clients = [stage.store, await stage.another(), await stage.another()];
        const reader = await stage.another();
        let writing = true;
        const writes = Promise.all(
          clients.map(async (client, place) => {
            for (let n = 0; n < 40; n += 1)
              await client.transact([], [{ put: keyOf(`w${place}-${n}`), value: bytesOf("x") }]);
          }),
        ).then(() => (writing = false));
        writes.catch(() => (writing = false)); // told below; a check that fails before must not leave it unheard
        const seen = new Set<string>();
        let highest = 0n;
        while (writing) {
          const { entries } = await reader.list(keyOf(""));
          for (const { key, version } of entries) {
            if (seen.has(key)) continue;
            assert.ok(BigInt(version) > highest, `${key} appeared with ${version} after ${highest} had been seen`);
            seen.add(key);
          }
          for (const { version } of entries) if (BigInt(version) > highest) highest = BigInt(version);
          await stage.pass(0);
        }
        await writes;
        assert.equal((await stage.list(keyOf(""), reader)).length, 120);
      },
    },
  ],
};
