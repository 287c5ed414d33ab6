import assert from "node:assert/strict";
import { lostAnswers } from "../case.ts";
import type { CoordinationCaseGroup } from "../case.ts";
import { bytesOf, keyOf } from "../stage.ts";
import type { CoordinationStage } from "../stage.ts";

const BACK_MS = 10_000;

async function loses(stage: CoordinationStage, name: string, value: string, session?: string): Promise<void> {
  stage.target.loseAnswer?.(stage.store);
  const write = { put: keyOf(name), value: bytesOf(value), ...(session === undefined ? {} : { session }) };
  const answer = stage.store.transact([{ key: keyOf(name), absent: true }], [write]);
  const outcome = await stage.settles(
    answer.then(
      () => "answered",
      () => "unknown",
    ),
    stage.lagMs,
    "a transaction whose answer is lost",
  );
  assert.equal(outcome, "unknown", "a transaction whose answer never came rejects, and does not guess");
  await stage.until(() => answers(stage), BACK_MS, "a client that lost an answer is back");
}

/** What took the answer may have taken the connection, too. */
function answers(stage: CoordinationStage): Promise<boolean> {
  return stage.get("a").then(
    () => true,
    () => false,
  );
}

export const unknownAnswers: CoordinationCaseGroup = {
  group: "unknown answers",
  cases: [
    {
      name: "a lost answer rejects, and reading back tells what happened",
      requires: lostAnswers,
      run: async (stage) => {
        await loses(stage, "a", "attempt-1");
        const found = await stage.get("a");
        assert.equal(await stage.valueOf("a"), "attempt-1");
        const write = { put: keyOf("a"), value: bytesOf("attempt-2") };
        const version = found?.version ?? "";
        assert.equal(
          await stage.tries([{ key: keyOf("a"), version }], [write]),
          true,
          "the version that was read counts",
        );
      },
    },
    {
      name: "repeating it on the same condition does not count twice",
      requires: lostAnswers,
      run: async (stage) => {
        await loses(stage, "a", "attempt-1");
        const again = { put: keyOf("a"), value: bytesOf("attempt-2") };
        assert.equal(await stage.tries([{ key: keyOf("a"), absent: true }], [again]), false);
        assert.equal(await stage.valueOf("a"), "attempt-1");
      },
    },
    {
      name: "a key that was put under a session by a lost answer goes with it",
      requires: lostAnswers,
      run: async (stage) => {
        const session = await stage.openSession();
        await loses(stage, "a", "attempt-1", session.id);
        assert.equal(await stage.valueOf("a"), "attempt-1");
        await stage.settles(session.close(), 0, "close of a session");
        assert.equal(await stage.get("a"), undefined);
      },
    },
  ],
};
