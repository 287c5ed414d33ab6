import assert from "node:assert/strict";
import type { CoordinationStore } from "../../../../contract/index.ts";
import { oneInTime } from "../../in-time.ts";
import { crashes, partitions } from "../case.ts";
import type { CoordinationCaseGroup } from "../case.ts";
import { firstAnswer, Life, ShortSession } from "../renewals.ts";
import { bytesOf, keyOf } from "../stage.ts";
import type { CoordinationStage } from "../stage.ts";

/** One life in which a renewal was answered: without it nothing was proven of renewals. */
async function lives(stage: CoordinationStage, pass: (life: Life) => Promise<void>): Promise<void> {
  await oneInTime(stage, async () => {
    const life = await Life.begin(stage);
    await pass(life);
    return life.isRenewed ? undefined : "no renewal was answered with ok";
  });
}

/** A holder of two keys dies. What was late in its end; undefined when nothing was. */
async function lateInEnd(stage: CoordinationStage, third: CoordinationStore): Promise<string | undefined> {
  const holder = await stage.another();
  const short = await ShortSession.open(stage, holder);
  await short.put("a", "1");
  await short.put("b", "1");
  const watcher = stage.watch(third);
  await short.keptUntil(stage.sees(watcher, { a: "1", b: "1" }));
  await stage.crash(holder);
  const withinMs = stage.latestEndMs + stage.lagMs;
  const isInTime = await stage.sees(watcher, {}, withinMs);
  for (const event of watcher.events) {
    const present = event.entries.filter(({ key }) => [keyOf("a"), keyOf("b")].includes(key)).length;
    if (event.kind === "reset") assert.notEqual(present, 1, "both keys go in one write");
    else assert.notEqual(event.removed.length, 1, "both keys go in one write");
  }
  return isInTime ? undefined : `the end of a holder was seen later than after ${withinMs} ms`;
}

export const sessions: CoordinationCaseGroup = {
  group: "sessions",
  cases: [
    {
      name: "the end of a session removes its keys in one write, and nothing else",
      run: async (stage) => {
        const [holder, third] = [await stage.another(), await stage.another()];
        const session = await stage.openSession(holder);
        const other = await stage.openSession(holder);
        for (const name of ["a", "b", "c"]) await stage.put(name, "owned", { client: holder, session });
        await stage.put("kept", "1", { client: holder });
        await stage.put("others", "2", { client: holder, session: other });
        const watcher = stage.watch(third);
        await stage.sees(watcher, { a: "owned", b: "owned", c: "owned", kept: "1", others: "2" });
        await stage.settles(session.close(), 0, "close of a session");
        assert.equal(await stage.get("a", third), undefined, "the keys are gone when close resolved");
        await stage.sees(watcher, { kept: "1", others: "2" });
        await stage.settles(session.close(), 0, "close of a session that has ended");
      },
    },
    {
      name: "a session that is renewed lives on",
      run: async (stage) => {
        const third = await stage.another();
        await lives(stage, async (life) => {
          for (let part = 0; part < 8; part += 1) {
            await stage.pass(life.ttlMs / 3);
            await life.renew();
          }
          await life.isThere("it was renewed", third);
        });
      },
    },
    {
      name: "a session that is not renewed lives for its time to live",
      run: (stage) =>
        lives(stage, async (life) => {
          await stage.pass(life.ttlMs * 0.8);
          await life.isThere("its time has not passed");
          await life.renew();
          await stage.pass(life.ttlMs * 0.8);
          await life.isThere("its time counts from the renewal");
        }),
    },
    {
      name: "the end of a holder that died is seen by a third client, in time, as one write",
      requires: crashes,
      run: async (stage) => {
        const third = await stage.another();
        await oneInTime(stage, () => lateInEnd(stage, third));
      },
    },
    {
      name: "a key of an ended session can be taken at once, without a watch",
      requires: crashes,
      run: async (stage) => {
        const [holder, third] = [await stage.another(), await stage.another()];
        const short = await ShortSession.open(stage, holder);
        await short.put("lock", "holder");
        await stage.crash(holder);
        await stage.pass(stage.latestEndMs + 1);
        assert.equal(await stage.get("lock", third), undefined, "get shows no key of a session past its end");
        const mine = await stage.openSession(third);
        const write = { put: keyOf("lock"), value: bytesOf("third"), session: mine.id };
        assert.equal(await stage.tries([{ key: keyOf("lock"), absent: true }], [write], third), true);
      },
    },
    {
      name: "an ended session is lost for good and can write nothing",
      run: async (stage) => {
        const session = await stage.openSession();
        await stage.put("a", "1", { session });
        await stage.settles(session.close(), 0, "close of a session");
        assert.equal(await stage.settles(session.renew(), 0, "renew"), "lost");
        const write = { put: keyOf("b"), value: bytesOf("2") };
        assert.equal(await stage.tries([], [{ ...write, session: session.id }]), false, "a put under an ended session");
        assert.equal(await stage.tries([{ session: session.id }], [write]), false, "a compare with an ended session");
        assert.equal(await stage.get("b"), undefined);
      },
    },
    {
      name: "a transaction that names a living session counts",
      run: async (stage) => {
        const session = await stage.openSession();
        const write = { put: keyOf("b"), value: bytesOf("2") };
        assert.equal(await stage.tries([{ session: session.id }], [write]), true);
        await stage.settles(session.close(), 0, "close of a session");
        assert.equal(await stage.valueOf("b"), "2", "only puts under the session go with it");
      },
    },
    {
      name: "the last put decides who owns a key",
      run: async (stage) => {
        const other = await stage.another();
        const [first, second] = [await stage.openSession(), await stage.openSession(other)];
        await stage.put("freed", "1", { session: first });
        await stage.put("freed", "2");
        await stage.put("moved", "1", { session: first });
        await stage.put("moved", "2", { client: other, session: second });
        await stage.put("bound", "1");
        await stage.put("bound", "2", { session: first });
        await stage.settles(first.close(), 0, "close of a session");
        assert.equal(await stage.valueOf("freed"), "2");
        assert.equal(await stage.valueOf("moved"), "2");
        assert.equal(await stage.get("bound"), undefined);
        await stage.settles(second.close(), 0, "close of a session");
        assert.equal(await stage.get("moved"), undefined);
      },
    },
    {
      name: "a put of a key that is thought to be unused and is another session's decides who owns it, too",
      run: async (stage) => {
        const other = await stage.another();
        const [old, next] = [await stage.openSession(other), await stage.openSession()];
        const value = bytesOf("same");
        const before = new Map<string, string>();
        for (const name of ["moved", "freed"])
          before.set(name, await stage.put(name, "same", { client: other, session: old }));
        await stage.write([
          { put: keyOf("moved"), value, session: next.id, unused: true },
          { put: keyOf("freed"), value, unused: true },
        ]);
        for (const [name, version] of before) {
          const found = (await stage.get(name, other))?.version ?? "0";
          assert.ok(BigInt(found) > BigInt(version), `the version of ${name} rose from ${version} to ${found}`);
        }
        await stage.settles(old.close(), 0, "close of a session");
        assert.equal(await stage.valueOf("moved"), "same", "the end of its old session does not remove it");
        assert.equal(await stage.valueOf("freed"), "same", "it has no session any more");
        await stage.settles(next.close(), 0, "close of a session");
        assert.equal(await stage.get("moved"), undefined, "it goes with its new session");
        assert.equal(await stage.valueOf("freed"), "same");
      },
    },
    {
      name: "sessions have ids of their own",
      run: async (stage) => {
        const other = await stage.another();
        const ids = [];
        for (const client of [stage.store, other, stage.store, other]) ids.push((await stage.openSession(client)).id);
        assert.equal(new Set(ids).size, ids.length);
      },
    },
    {
      name: "a holder that was cut off past its time is lost when it is back, and never gets its keys again",
      requires: partitions,
      run: async (stage) => {
        const [holder, third] = [await stage.another(), await stage.another()];
        const short = await ShortSession.open(stage, holder);
        const { session } = short;
        const token = await short.put("lock", "holder");
        const watcher = stage.watch(third);
        await short.keptUntil(stage.sees(watcher, { lock: "holder" }));
        const heal = stage.target.partition?.(holder);
        const hung = session.renew().then(
          (answer) => answer,
          () => "no answer",
        );
        await stage.sees(watcher, {}, stage.latestEndMs + stage.lagMs);
        const mine = await stage.openSession(third);
        const taken = await stage.put("lock", "third", { client: third, session: mine });
        await heal?.();
        await stage.pass(stage.lagMs);
        assert.notEqual(await stage.settles(hung, stage.lagMs, "a renewal that was cut off"), "ok");
        assert.equal(await firstAnswer(stage, session), "lost");
        assert.ok(BigInt(taken) > BigInt(token), "the token of the next holder is higher");
        const stale = [{ key: keyOf("lock"), version: token }] as const;
        const write = { put: keyOf("guarded"), value: bytesOf("stale") };
        assert.equal(await stage.tries(stale, [write], holder), false, "a write guarded by the old token");
        assert.equal(await stage.valueOf("lock", holder), "third");
      },
    },
  ],
};
