import { expect, test } from "vitest";
import type { Taken } from "../../../src/drivers/rabbitmq/drawing.ts";
import { HeldMoves, type Tried } from "../../../src/drivers/rabbitmq/held-moves.ts";
import { back, toFailed } from "../../../src/drivers/rabbitmq/session.ts";
import { JobferryError } from "../../../src/errors/index.ts";
import { virtualClock, type VirtualClock } from "../../../src/testing/virtual-clock.ts";

const AWAY = new JobferryError("UNAVAILABLE", "The store is away.", { retryable: true });

function job(
  id: string,
  losses = 0,
  more: Readonly<{ queue?: string; bytes?: number; maxLosses?: number }> = {},
): Taken {
  const { queue = "work", bytes = 100, maxLosses = 3 } = more;
  return {
    parcel: { fields: { id, queue, losses, maxLosses } },
    message: { content: { length: bytes } },
  } as unknown as Taken;
}

const idsOf = (taken: readonly Taken[]): readonly string[] => taken.map(({ parcel }) => parcel.fields.id);

type Stage = Readonly<{
  clock: VirtualClock;
  moves: HeldMoves;
  /** When which were tried, and what was done. */
  tries: (readonly [atMs: number, to: string, ids: readonly string[]])[];
  givenUp: string[];
  lines: string[];
  state: { takes: boolean; isLost: boolean; hangs: Promise<void> | undefined; error: unknown; breaks: unknown };
  failures: unknown[];
}>;

function stage(): Stage {
  const clock = virtualClock();
  const tries: Stage["tries"] = [];
  const [givenUp, lines]: [string[], string[]] = [[], []];
  const state: Stage["state"] = { takes: false, isLost: false, hangs: undefined, error: AWAY, breaks: undefined };
  const failures: unknown[] = [];
  const note = (_: object, text: string): void => void lines.push(text);
  const moves = new HeldMoves({
    clock,
    logger: { debug: note, info: note, warn: note, error: note },
    tryMove: async (taken, to): Promise<Tried> => {
      tries.push([clock.monotonic(), to === back ? "back" : "failed", idsOf(taken)]);
      if (to === toFailed) await state.hangs;
      if (state.breaks !== undefined) throw state.breaks;
      return state.takes
        ? { moved: taken, refused: [], error: undefined }
        : { moved: [], refused: taken, error: state.error };
    },
    giveUp: async (taken) => void givenUp.push(...idsOf(taken)),
    isLost: () => state.isLost,
    inBackground: (trying) => void trying.catch((error: unknown) => failures.push(error)),
  });
  return { clock, moves, tries, givenUp, lines, state, failures };
}

const NOTHING = (): void => undefined;

test("is tried again with a growing pause until it is taken, and whoever waits is told", async () => {
  const { clock, moves, tries, state } = stage();
  const late: string[] = [];
  const woken: string[] = [];
  const unwatch = moves.onMore(() => woken.push(`at ${clock.monotonic()}`));
  expect(await moves.moveOrHold([job("a"), job("b")], toFailed, (moved) => late.push(...idsOf(moved)))).toEqual([]);
  await clock.advance("4s");
  unwatch();
  expect(woken).toEqual(["at 0", "at 500", "at 1500", "at 3500"]);
  expect(tries.map(([at]) => at)).toEqual([0, 500, 1_500, 3_500]);
  state.takes = true;
  await clock.advance("4s");
  expect(tries.at(-1)).toEqual([7_500, "failed", ["a", "b"]]);
  expect(late).toEqual(["a", "b"]);
  await clock.advance("1h");
  expect([tries.length, clock.armed]).toEqual([5, 0]);
});

test("what is moved at once is told as the answer alone", async () => {
  const { clock, moves, state } = stage();
  state.takes = true;
  const late: unknown[] = [];
  expect(idsOf(await moves.moveOrHold([job("a")], back, (moved) => late.push(moved)))).toEqual(["a"]);
  await clock.advance("1m");
  expect([late, clock.armed]).toEqual([[], 0]);
});

test("each place is tried by itself: one that does not answer holds up no other", async () => {
  const { clock, moves, tries, state } = stage();
  await moves.moveOrHold([job("a")], toFailed, NOTHING);
  await moves.moveOrHold([job("b")], back, NOTHING);
  const hang = Promise.withResolvers<void>();
  [state.takes, state.hangs] = [true, hang.promise];
  await clock.advance("500ms");
  expect(tries.slice(2)).toEqual([
    [500, "failed", ["a"]],
    [500, "back", ["b"]],
  ]);
  hang.resolve();
  await clock.advance("1m");
  expect([tries.length, clock.armed]).toEqual([4, 0]);
});

test("what comes when the last of its place has just gone is tried, too", async () => {
  const { clock, moves, tries, state } = stage();
  const again = (): void => {
    state.takes = false;
    void moves.moveOrHold([job("b")], back, NOTHING);
  };
  await moves.moveOrHold([job("a")], back, again);
  state.takes = true;
  await clock.advance("500ms");
  state.takes = true;
  await clock.advance("10s");
  expect(tries.map(([, , ids]) => ids.join())).toEqual(["a", "a", "b", "b"]);
  expect(clock.armed).toBe(0);
});

test("goes in portions by number and bytes", async () => {
  const { clock, moves, tries, state } = stage();
  const many = Array.from({ length: 150 }, (_, i) => job(String(i)));
  const large = Array.from({ length: 3 }, (_, i) => job(`large ${i}`, 0, { bytes: 9 * 1024 * 1024 }));
  await moves.moveOrHold([...many, ...large], back, NOTHING);
  await clock.advance("500ms");
  expect(tries.slice(1).map(([, , ids]) => ids.length)).toEqual([100]);
  state.takes = true;
  await clock.advance("1s");
  expect(tries.slice(2).map(([, , ids]) => ids.length)).toEqual([100, 52, 1]);
});

test("what goes back can be taken by a free slot here instead; what lost lives only by one that is free for it, and never without one left", async () => {
  const { clock, moves, tries, state } = stage();
  await moves.moveOrHold([job("dead", 3)], toFailed, NOTHING);
  const other = job("other", 0, { queue: "mails" });
  await moves.moveOrHold([job("over", 3), job("a", 1), job("b"), job("c", 1), other], back, NOTHING);
  expect(idsOf(moves.take(back, "work", 5, 1))).toEqual(["a", "b"]);
  expect(idsOf(moves.take(back, "work", 5, 0))).toEqual([]);
  expect(idsOf(moves.take(back, "work", 0, 0))).toEqual([]);
  state.takes = true;
  await clock.advance("500ms");
  expect(tries.slice(2).map(([, to, ids]) => [to, ids])).toEqual([
    ["failed", ["dead"]],
    ["back", ["over", "c", "other"]],
  ]);
});

test("nothing is held so long that the server would end the connection", async () => {
  const { clock, moves, givenUp } = stage();
  await moves.moveOrHold([job("a")], back, NOTHING);
  await clock.advance("9m");
  await moves.moveOrHold([job("b")], back, NOTHING);
  expect(givenUp).toEqual([]);
  await clock.advance("70s");
  expect(givenUp).toEqual(["a"]);
});

test("nor are those that were not tried for long, because others before them are refused", async () => {
  const { clock, moves, givenUp } = stage();
  const large = Array.from({ length: 200 }, (_, i) => job(String(i), 0, { bytes: 9 * 1024 * 1024 }));
  await moves.moveOrHold(large, back, NOTHING);
  await clock.advance("11m");
  expect(givenUp.length).toBe(200);
});

test("a thousand at most, those on their way too, which is told with the reason", async () => {
  const { clock, moves, state } = stage();
  const many = Array.from({ length: 1_000 }, (_, i) => job(String(i)));
  await moves.moveOrHold(many.slice(1), back, NOTHING);
  moves.checkRoom();
  const hang = Promise.withResolvers<void>();
  state.hangs = hang.promise;
  const first = moves.moveOrHold(many.slice(0, 1), toFailed, NOTHING);
  expect(() => moves.checkRoom()).toThrow("1000 jobs that cannot be moved are held");
  expect(() => moves.checkRoom()).toThrow("The store is away.");
  state.takes = true;
  hang.resolve();
  await first;
  moves.checkRoom();
  await clock.advance("500ms");
});

test("is told once a minute, without the words of a client library, which may hold a password", async () => {
  const { clock, moves, lines, state } = stage();
  state.error = Object.assign(new Error("amqp://user:secret@host"), { code: "ECONN" });
  await moves.moveOrHold([job("a")], back, NOTHING);
  expect(lines).toEqual([
    "A job cannot be moved now, but will be held and tried again: the server or the store of records does not take them (ECONN).",
  ]);
  state.error = AWAY;
  await clock.advance("3m");
  expect(lines.length).toBeGreaterThanOrEqual(3);
  expect(lines.length).toBeLessThanOrEqual(4);
  expect(lines[1]).toContain("The store is away.");
});

test("close tries once more at once; on a lost connection nothing is held any more", async () => {
  const first = stage();
  await first.moves.moveOrHold([job("a")], back, NOTHING);
  first.moves.close();
  await first.clock.advance("1ms");
  expect([first.tries.length, first.clock.armed]).toEqual([2, 0]);
  const second = stage();
  await second.moves.moveOrHold([job("a")], back, NOTHING);
  second.state.isLost = true;
  expect(second.moves.take(back, "work", 1, 1)).toEqual([]);
  await second.clock.advance("1h");
  expect([second.tries.length, second.clock.armed]).toEqual([1, 0]);
});

test("what cannot even be given up ends the connection, and is not forgotten", async () => {
  const { clock, moves, state, failures } = stage();
  await moves.moveOrHold([job("a")], back, NOTHING);
  state.breaks = new Error("gone");
  await clock.advance("1s");
  expect(failures).toEqual([new Error("gone")]);
});
