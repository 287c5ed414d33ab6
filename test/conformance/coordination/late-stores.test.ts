// In real time one of several tries has to be in time: a store that is late is late in each of them, one that was late once is right.
import { AssertionError } from "node:assert";
import { expect, test } from "vitest";
import type { CoordinationSession, CoordinationStore } from "../../../src/contract/index.ts";
import { JobferryError } from "../../../src/errors/index.ts";
import { sleep, systemClock } from "../../../src/runtime/index.ts";
import { coordinationSuite } from "../../../src/testing/conformance/coordination/index.ts";
import { changed } from "./broken-stores.ts";
import { memoryTarget } from "./targets.ts";

type Wrap = (inner: CoordinationStore) => CoordinationStore;

const SEEN = "watches: a watcher sees puts, changes and deletes of every client within the lag";
const ENDS = "sessions: the end of a holder that died is seen by a third client, in time, as one write";
const LIVES = "sessions: a session that is renewed lives on";

/** Of each client so many events come late. */
const lagging =
  (count: number): Wrap =>
  (inner) => {
    let left = count;
    return changed(inner, {
      async *watch(prefix, options) {
        for await (const event of inner.watch(prefix, options)) {
          left -= 1;
          if (left >= 0) await sleep(systemClock, 1_000, options.signal);
          yield event;
        }
      },
    });
  };

/** Of the whole store so many sessions end late. */
function endingLate(count: number): Wrap {
  let left = count;
  return (inner) =>
    changed(inner, {
      openSession: (ttlMs) => {
        left -= 1;
        return inner.openSession(left >= 0 ? ttlMs + 2_000 : ttlMs);
      },
    });
}

/** Of each session every so many renewals one is answered. */
const rejecting =
  (every: number): Wrap =>
  (inner) =>
    changed(inner, {
      openSession: async (ttlMs): Promise<CoordinationSession> => {
        const session = await inner.openSession(ttlMs);
        let calls = 0;
        const renew = async (): Promise<"ok" | "lost"> => {
          calls += 1;
          if (calls % every === 0) return session.renew();
          throw new JobferryError("UNAVAILABLE", "no answer", { retryable: true });
        };
        return { id: session.id, renew, close: () => session.close() };
      },
    });

async function run(name: string, wrap: Wrap): Promise<unknown> {
  const { clock: _virtual, ...real } = memoryTarget(wrap);
  const found = coordinationSuite(real).find((one) => `${one.group}: ${one.name}` === name);
  if (found === undefined) throw new Error(`the suite has no case "${name}"`);
  return found.run().then(
    () => "passed",
    (error: unknown) => error,
  );
}

const late: readonly (readonly [name: string, wrap: Wrap])[] = [
  [SEEN, lagging(Infinity)],
  [ENDS, endingLate(Infinity)],
  [LIVES, rejecting(Infinity)],
];

test.concurrent.each(late)("what is late or unanswered each time is told, with every try: %s", async (name, wrap) => {
  const error = await run(name, wrap);
  expect(error).toBeInstanceOf(AssertionError);
  expect((error as Error).message.split("; ")).toHaveLength(5);
});

const once: readonly (readonly [name: string, wrap: Wrap])[] = [
  [SEEN, lagging(1)],
  [ENDS, endingLate(1)],
  [LIVES, rejecting(2)],
];

test.concurrent.each(once)("a store that was late once, or rejects now and then, passes: %s", async (name, wrap) => {
  expect(await run(name, wrap)).toBe("passed");
});
