import assert from "node:assert/strict";
import type { CoordinationStore } from "../../../../contract/index.ts";
import { oneInTime } from "../../in-time.ts";
import { partitions } from "../case.ts";
import type { CoordinationCaseGroup } from "../case.ts";
import { bytesOf, keyOf, named, stateText } from "../stage.ts";
import type { CoordinationStage } from "../stage.ts";

/** Puts and deletes at once from several clients; the state that is left in the end. */
async function churn(stage: CoordinationStage, rounds: number): Promise<Readonly<Record<string, string>>> {
  const clients = [stage.store, await stage.another(), await stage.another()];
  const left: Record<string, string> = {};
  const writing = clients.map(async (client, place) => {
    for (let round = 0; round < rounds; round += 1) {
      const name = `c${place}-${round % 4}`;
      if (round % 3 === 2) {
        delete left[name];
        await client.transact([], [{ delete: keyOf(name) }]);
      } else {
        left[name] = `${place}.${round}`;
        await client.transact([], [{ put: keyOf(name), value: bytesOf(`${place}.${round}`) }]);
      }
      if (round % 8 === 7) await stage.pass(0);
    }
  });
  await stage.settles(Promise.all(writing), 0, "writes at once");
  return left;
}

type Step = readonly [write: () => Promise<unknown>, seen: Readonly<Record<string, string>>];

/** Puts, changes and deletes of three clients. What a watcher saw late; undefined when it saw all of it within the lag. */
async function lateInWatch(
  stage: CoordinationStage,
  writer: CoordinationStore,
  other: CoordinationStore,
): Promise<string | undefined> {
  const steps: readonly Step[] = [
    [() => stage.put("a", "1", { client: writer }), { a: "1" }],
    [() => stage.put("a", "2"), { a: "2" }],
    [() => stage.put("b", "3", { client: other }), { a: "2", b: "3" }],
    [() => stage.remove("a", other), { b: "3" }],
    [() => stage.remove("b"), {}],
  ];
  const watcher = stage.watch();
  await stage.sees(watcher, {});
  for (const [write, seen] of steps) {
    await write();
    if (await stage.sees(watcher, seen)) continue;
    // The next try begins as this one did.
    for (const name of Object.keys(seen)) await stage.remove(name);
    return `a watcher saw ${JSON.stringify(seen)} later than after ${stage.lagMs} ms`;
  }
  return undefined;
}

export const watches: CoordinationCaseGroup = {
  group: "watches",
  cases: [
    {
      name: "a watch begins with everything that is there",
      run: async (stage) => {
        await stage.put("a", "1");
        await stage.put("b", "2");
        const watcher = stage.watch(await stage.another());
        await stage.sees(watcher, { a: "1", b: "2" });
        assert.equal(watcher.events[0]?.kind, "reset");
        const empty = stage.watch(stage.store, keyOf("none/"));
        await stage.until(() => empty.events.length > 0, stage.lagMs, "a watch of nothing says so");
        assert.deepEqual(empty.events[0]?.entries, []);
      },
    },
    {
      name: "a watcher sees puts, changes and deletes of every client within the lag",
      run: async (stage) => {
        const [writer, other] = [await stage.another(), await stage.another()];
        await oneInTime(stage, () => lateInWatch(stage, writer, other));
      },
    },
    {
      name: "a key that was deleted and made again with the same value is told as changed",
      run: async (stage) => {
        await stage.put("a", "1");
        const watcher = stage.watch();
        await stage.sees(watcher, { a: "1" });
        const before = watcher.events.length;
        await stage.remove("a");
        const version = await stage.put("a", "1");
        const told = (): boolean =>
          watcher.events.slice(before).some(({ entries }) => entries.some((entry) => entry.version === version));
        await stage.until(told, stage.lagMs, "the new version is told");
      },
    },
    {
      name: "a watch tells its own prefix only, and a watch of one key that key",
      run: async (stage) => {
        const [inner, single] = [stage.watch(stage.store, keyOf("in/")), stage.watch(stage.store, keyOf("one"))];
        await stage.put("in", "no");
        await stage.put("in/a", "yes");
        await stage.put("out/a", "no");
        await stage.put("one", "1");
        await stage.write([{ put: "suite/others/in/a", value: bytesOf("no") }]);
        await stage.sees(inner, { "in/a": "yes" });
        await stage.sees(single, { one: "1" });
      },
    },
    {
      name: "list, then watch from its revision: nothing in between is missed",
      run: async (stage) => {
        const other = await stage.another();
        await stage.put("a", "1");
        await stage.put("b", "1");
        const { entries, revision } = await stage.settles(stage.store.list(keyOf("")), 0, "list");
        assert.equal(entries.length, 2);
        await stage.put("a", "2", { client: other });
        await stage.put("c", "1", { client: other });
        const watcher = stage.watch(stage.store, keyOf(""), revision);
        await stage.until(
          () => watcher.state.get(keyOf("a")) === "2" && watcher.state.get(keyOf("c")) === "1",
          stage.lagMs,
          "the watch tells what was written after the listing",
        );
        await stage.remove("b", other);
        await stage.until(
          () =>
            watcher.events.some((event) => event.kind === "change" && event.removed.includes(keyOf("b"))) ||
            watcher.resets > 0,
          stage.lagMs,
          "the watch tells a later delete",
        );
      },
    },
    {
      name: "list, then watch from its revision: a delete in between is told, or everything is",
      run: async (stage) => {
        await stage.put("a", "1");
        await stage.put("b", "1");
        const { revision } = await stage.settles(stage.store.list(keyOf("")), 0, "list");
        await stage.remove("a");
        const watcher = stage.watch(stage.store, keyOf(""), revision);
        const told = (): boolean =>
          watcher.events.some((event) =>
            event.kind === "reset"
              ? !event.entries.some(({ key }) => key === keyOf("a"))
              : event.removed.includes(keyOf("a")),
          );
        await stage.until(told, stage.lagMs, "a delete between list and watch is told");
      },
    },
    {
      name: "under load every watcher ends in the last state, with and without a listing before",
      run: async (stage) => {
        const reader = await stage.another();
        const watchers = [stage.watch(reader), stage.watch()];
        const writing = churn(stage, 60);
        writing.catch(() => undefined); // told below; a check that fails before must not leave it unheard
        const listed = await reader.list(keyOf(""));
        const late = stage.watch(reader, keyOf(""), listed.revision);
        const left = await writing;
        for (const watcher of watchers) await stage.sees(watcher, left);
        const state = new Map(listed.entries.map(({ key, value }) => [key, new TextDecoder().decode(value)]));
        const apply = (): string => {
          for (const event of late.events.splice(0)) {
            if (event.kind === "reset") state.clear();
            for (const { key, value } of event.entries) state.set(key, new TextDecoder().decode(value));
            if (event.kind === "change") for (const key of event.removed) state.delete(key);
          }
          return stateText(state);
        };
        const wanted = stateText(named(left));
        await stage.until(() => apply() === wanted, stage.lagMs, "listing and watch together end in the last state");
      },
    },
    {
      name: "a watcher that is slow to take events still ends in the last state",
      run: async (stage) => {
        const stop = new AbortController();
        const state = new Map<string, string>();
        let started = false;
        let slow = true;
        const watching = (async () => {
          for await (const event of stage.store.watch(keyOf(""), { signal: stop.signal })) {
            started = true;
            if (event.kind === "reset") state.clear();
            for (const { key, value } of event.entries) state.set(key, new TextDecoder().decode(value));
            if (event.kind === "change") for (const key of event.removed) state.delete(key);
            while (slow) await stage.pass(1);
          }
        })();
        watching.catch(() => undefined); // told below; a check that fails before must not leave it unheard
        await stage.until(() => started, stage.lagMs, "the watch starts");
        const left = await churn(stage, 60);
        slow = false;
        const wanted = stateText(named(left));
        await stage.until(() => stateText(state) === wanted, stage.lagMs * 2, "the last state");
        stop.abort();
        await stage.settles(watching, stage.lagMs, "the watch");
      },
    },
    {
      name: "a store that forgot its history tells everything instead of missing something",
      run: async (stage) => {
        await stage.put("a", "1");
        const { revision } = await stage.settles(stage.store.list(keyOf("")), 0, "list");
        for (let round = 0; round < 20; round += 1) await stage.put("b", String(round));
        await stage.remove("a");
        await stage.put("c", "1");
        await stage.target.forgetHistory?.(stage.store);
        const watcher = stage.watch(stage.store, keyOf(""), revision);
        await stage.until(
          () => watcher.state.get(keyOf("c")) === "1",
          stage.lagMs,
          "what was written after the listing",
        );
        const told = watcher.events.some((event) => event.kind === "reset" || event.removed.includes(keyOf("a")));
        assert.ok(told, "the delete is told, or everything is");
        assert.equal(watcher.state.get(keyOf("b")), "19");
      },
    },
    {
      name: "the signal ends a watch, also one that waits",
      run: async (stage) => {
        const watcher = stage.watch();
        await stage.sees(watcher, {});
        await stage.settles(watcher.stop(), stage.lagMs, "the end of a watch");
        const before = watcher.events.length;
        await stage.put("a", "1");
        await stage.pass(stage.lagMs);
        assert.equal(watcher.events.length, before, "nothing is told after the end");
        const over = AbortSignal.abort();
        for await (const event of stage.store.watch(keyOf(""), { signal: over }))
          assert.equal(event.kind, "reset", "at most the start is told");
      },
    },
    {
      name: "a watcher that was cut off ends in the last state when the connection is back",
      requires: partitions,
      run: async (stage) => {
        const reader = await stage.another();
        await stage.put("a", "1");
        const watcher = stage.watch(reader);
        await stage.sees(watcher, { a: "1" });
        const heal = stage.target.partition?.(reader);
        await stage.put("b", "2");
        await stage.remove("a");
        await stage.pass(stage.lagMs);
        await heal?.();
        await stage.sees(watcher, { b: "2" }, stage.lagMs * 3 + 100);
      },
    },
  ],
};
