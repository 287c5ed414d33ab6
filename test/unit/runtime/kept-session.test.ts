import { afterEach, beforeEach, expect, test } from "vitest";
import { JobferryError } from "../../../src/errors/index.ts";
import { KeptSession } from "../../../src/runtime/index.ts";
import { virtualClock, type VirtualClock } from "../../../src/testing/virtual-clock.ts";

const TIMING = { ttlMs: 10_000, renewEveryMs: 2_000 };
/** The time to live less the margin, a tenth. */
const VALID_MS = 9_000;

type Answer = "ok" | "lost";

let clock: VirtualClock;
let session: KeptSession | undefined;
let troubles: unknown[];

beforeEach(() => {
  clock = virtualClock();
  troubles = [];
});

afterEach(async () => {
  await session?.close(new JobferryError("CLOSED", "The test is over."));
  await clock.advance(10_000); // answers that are on their way
  expect(clock.armed).toBe(0);
});

/** A store that answers after so many milliseconds; undefined: never. Opening takes `openMs`. */
async function kept(renew: (call: number) => number | undefined, openMs = 0, answer: Answer = "ok"): Promise<string[]> {
  const events: string[] = [];
  const began = clock.monotonic();
  const tell = (what: string): void => void events.push(`${what} ${clock.monotonic() - began}`);
  const after = (ms: number): Promise<void> => new Promise((resolve) => void clock.timer(ms, resolve));
  let calls = 0;
  const opening = KeptSession.open(
    {
      openSession: async () => {
        await after(openMs);
        return {
          id: "s",
          close: async () => undefined,
          renew: async () => {
            tell("renew");
            const ms = renew((calls += 1));
            if (ms === undefined) return new Promise<never>(() => undefined);
            await after(ms);
            return answer;
          },
        };
      },
    },
    clock,
    TIMING,
    (error) => troubles.push(error),
  );
  await clock.advance(openMs);
  session = await opening;
  session.lost.addEventListener("abort", () => tell("lost"));
  return events;
}

test("counts from before the last answered renewal was sent, however late its answer came", async () => {
  const events = await kept((call) => (call === 1 ? 1_900 : undefined));
  await clock.advance(30_000);
  // Sent at 2,000 and answered at 3,900: 9,000 behind the sending.
  expect(events.at(-1)).toBe(`lost ${2_000 + VALID_MS}`);
  expect(session?.isLive).toBe(false);
});

test("counts from before it was opened", async () => {
  const events = await kept(() => undefined, 1_500);
  await clock.advance(30_000);
  expect(events.at(-1)).toBe(`lost ${VALID_MS}`);
});

test("a call that hangs does not keep the next from being tried, and an answer after the end revives nothing", async () => {
  const events = await kept((call) => (call < 3 ? undefined : 5_500));
  await clock.advance(30_000);
  expect(events.slice(0, 4)).toEqual(["renew 2000", "renew 4000", "renew 6000", "renew 8000"]);
  expect(events.at(-1)).toBe(`lost ${VALID_MS}`);
});

test("a wall clock that is set by hours changes nothing", async () => {
  const events = await kept(() => 1);
  for (const by of [7_200_000, -14_400_000]) {
    clock.setWallClock(clock.now() + by);
    await clock.advance(20_000);
    expect(session?.isLive).toBe(true);
  }
  expect(events.filter((event) => event.startsWith("renew")).length).toBeGreaterThan(15);
  expect(troubles).toEqual([]);
});

test("a store that says it is over ends it at once", async () => {
  const events = await kept(() => 1, 0, "lost");
  await clock.advance(30_000);
  expect(events).toEqual(["renew 2000", "lost 2001"]);
  expect(session?.lost.reason).toMatchObject({ code: "SESSION_LOST" });
});
