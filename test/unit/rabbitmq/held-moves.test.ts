import { expect, test } from "vitest";
import type { Taken } from "../../../src/drivers/rabbitmq/drawing.ts";
import { type Destination, HeldMoves, type Tried } from "../../../src/drivers/rabbitmq/held-moves.ts";
import { back, toFailed } from "../../../src/drivers/rabbitmq/session.ts";
import { JobferryError } from "../../../src/errors/index.ts";
import { virtualClock, type VirtualClock } from "../../../src/testing/virtual-clock.ts";

const AWAY = new JobferryError("UNAVAILABLE", "The store is away.", { retryable: true });

function job(id: string, losses = 0, queue = "work"): Taken {
  return { parcel: { fields: { id, queue, losses } } } as unknown as Taken;
}

const idsOf = (taken: readonly Taken[]): readonly string[] => taken.map(({ parcel }) => parcel.fields.id);

type Stage = Readonly<{
  clock: VirtualClock;
  moves: HeldMoves;
  /** When which were tried, and what was done. */
  tries: (readonly [atMs: number, to: string, ids: readonly string[]])[];
  givenUp: string[];
  lines: string[];
  state: { takes: boolean; isLost: boolean };
}>;

function stage(): Stage {
  const clock = virtualClock();
  const tries: Stage["tries"] = [];
  const [givenUp, lines]: [string[], string[]] = [[], []];
  const state = { takes: false, isLost: false };
  const note = (_: object, text: string): void => void lines.push(text);
  const moves = new HeldMoves({
    clock,
    logger: { debug: note, info: note, warn: note, error: note },
    tryMove: async (taken, to): Promise<Tried> => {
      tries.push([clock.monotonic(), to === back ? "back" : "failed", idsOf(taken)]);
      return state.takes ? { moved: taken, refused: [], error: undefined } : { moved: [], refused: taken, error: AWAY };
    },
    giveUp: async (taken) => void givenUp.push(...idsOf(taken)),
    isLost: () => state.isLost,
    failed: (error) => {
      throw error;
    },
  });
  return { clock, moves, tries, givenUp, lines, state };
}

test("is tried again with a growing pause until it is taken, and whoever waits is told", async () => {
  const { clock, moves, tries, state } = stage();
  const late: string[] = [];
  moves.hold([job("a"), job("b")], toFailed, (moved) => late.push(...idsOf(moved)), AWAY);
  await clock.advance("4s");
  expect(tries.map(([at]) => at)).toEqual([500, 1_500, 3_500]);
  state.takes = true;
  await clock.advance("4s");
  expect(tries.at(-1)).toEqual([7_500, "failed", ["a", "b"]]);
  expect(late).toEqual(["a", "b"]);
  await clock.advance("1h");
  expect([tries.length, clock.armed]).toEqual([4, 0]);
});

test("one loop tries all of them, each to its place, also what came when another had just ended", async () => {
  const { clock, moves, tries, state } = stage();
  const again = (): void => moves.hold([job("c")], back, () => undefined, AWAY);
  moves.hold([job("a")], toFailed, again, AWAY);
  moves.hold([job("b")], back, () => undefined, AWAY);
  state.takes = true;
  await clock.advance("500ms");
  expect(tries).toEqual([
    [500, "failed", ["a"]],
    [500, "back", ["b"]],
  ]);
  await clock.advance("500ms");
  expect(tries.at(-1)).toEqual([1_000, "back", ["c"]]);
});

test("what goes back can be taken by a free slot here instead, and what lost lives only by one that is free for it", async () => {
  const { clock, moves, tries, state } = stage();
  const all = [job("dead"), job("a", 1), job("b"), job("c", 1), job("other", 0, "mails")];
  moves.hold(all.slice(0, 1), toFailed, () => undefined, AWAY);
  moves.hold(all.slice(1), back, () => undefined, AWAY);
  expect(idsOf(moves.take(back, "work", 5, 1))).toEqual(["a", "b"]);
  expect(idsOf(moves.take(back, "work", 5, 0))).toEqual([]);
  expect(idsOf(moves.take(back, "work", 0, 0))).toEqual([]);
  state.takes = true;
  await clock.advance("500ms");
  expect(tries.map(([, to, ids]) => [to, ids])).toEqual([
    ["failed", ["dead"]],
    ["back", ["c", "other"]],
  ]);
});

test("nothing is held so long that the server would end the connection", async () => {
  const { clock, moves, givenUp } = stage();
  moves.hold([job("a")], back, () => undefined, AWAY);
  await clock.advance("9m");
  moves.hold([job("b")], back, () => undefined, AWAY);
  expect(givenUp).toEqual([]);
  await clock.advance("70s");
  expect(givenUp).toEqual(["a"]);
});

test("a thousand at most, which is told with the reason", async () => {
  const { clock, moves, state } = stage();
  const many = Array.from({ length: 1_000 }, (_, i) => job(String(i)));
  moves.hold(many.slice(1), back, () => undefined, AWAY);
  moves.checkRoom();
  moves.hold(many.slice(0, 1), back, () => undefined, AWAY);
  expect(() => moves.checkRoom()).toThrow("1000 jobs that cannot be moved are held");
  expect(() => moves.checkRoom()).toThrow("The store is away.");
  state.takes = true;
  await clock.advance("500ms");
  moves.checkRoom();
});

test("is told once a minute, without the words of a client library, which may hold a password", async () => {
  const { clock, moves, lines } = stage();
  moves.hold([job("a")], back, () => undefined, Object.assign(new Error("amqp://user:secret@host"), { code: "ECONN" }));
  expect(lines).toEqual([
    "1 jobs cannot be moved now. They are held and tried again: the server or the store of records does not take them (ECONN).",
  ]);
  await clock.advance("3m");
  expect(lines.length).toBeGreaterThanOrEqual(3);
  expect(lines.length).toBeLessThanOrEqual(4);
  expect(lines[1]).toContain("The store is away.");
});

test("close tries once more at once; a lost connection holds nothing any more", async () => {
  const first = stage();
  first.moves.hold([job("a")], back, () => undefined, AWAY);
  await first.moves.close();
  expect(first.tries).toEqual([[0, "back", ["a"]]]);
  expect(first.clock.armed).toBe(0);
  const second = stage();
  second.moves.hold([job("a")], back, () => undefined, AWAY);
  second.state.isLost = true;
  await second.clock.advance("1h");
  expect([second.tries, second.clock.armed]).toEqual([[], 0]);
});

test("what cannot even be given up is told, not forgotten", async () => {
  const clock = virtualClock();
  const told: unknown[] = [];
  const broken: Destination = back;
  const quiet = (): void => undefined;
  const moves = new HeldMoves({
    clock,
    logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    tryMove: () => Promise.reject(new Error("gone")),
    giveUp: async () => undefined,
    isLost: () => false,
    failed: (error) => void told.push(error),
  });
  moves.hold([job("a")], broken, () => undefined, AWAY);
  await clock.advance("1s");
  expect(told).toEqual([new Error("gone")]);
});
