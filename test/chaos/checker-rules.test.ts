/** Each rule of the checker on a log of a few lines: an honest one, and the same with one thing wrong. */
import { expect, test } from "vitest";
import { check } from "./checker.ts";
import type { Bounds, Contents, Remains } from "./finding.ts";
import type { Entry, Line, Pushing } from "./log.ts";

const BOUNDS: Bounds = {
  ...{ unasked: 0, workers: 1, healthyLosses: 0, atomicBatch: 100, takeBackMs: 1_000, resumeMs: 500 },
  ...{ leaseEnds: "deadline", forgets: false, twicePerFault: 0, falseLosses: 0 },
};
const LEASE_MS = 1_000;

const pushing: Pushing = {
  ...{ type: "pushing", id: "a", queue: "q", delayMs: 0, maxAttempts: 2, maxLosses: 2, fate: "done", sha: "s" },
};
const pushed: Entry = { type: "pushed", ids: ["a"] };
const run: Entry = { type: "run", id: "a", sha: "s" };
const ran: Entry = { type: "ran", id: "a" };

function start(token: number, claimedAt: number, counts: { attempts?: number; losses?: number } = {}): Entry {
  return { type: "start", id: "a", token, leaseMs: LEASE_MS, claimedAt, attempts: 1, losses: 0, ...counts };
}
const finishing = (token: number, end: "done" | "release" | "fail" = "done", delayMs = 0): Entry => ({
  ...{ type: "finishing", id: "a", token, end, delayMs },
});
const ok = (token: number, end: "done" | "release" | "fail" = "done"): Entry => ({
  ...{ type: "finish", id: "a", token, end, result: "ok" },
});
const refused = (token: number): Entry => ({ type: "refused", id: "a", token, end: "done" });
const killed: Entry = { type: "fault", fault: "kill", target: "w1" };

type Timed = readonly [at: number, entry: Entry, from?: string];
const log = (...lines: readonly Timed[]): readonly Line[] =>
  lines.map(([at, entry, from = "w1"]) => ({ ...entry, at, from }));

const NOTHING = { pending: 0, delayed: 0, reserved: 0, failed: 0, completed: 0 };
const completed = (count: number): Contents => ({ jobs: new Map(), stats: { ...NOTHING, completed: count } });
function left(remains: Partial<Remains>): Contents {
  const job: Remains = { state: "failed", attempts: 2, losses: 0, code: "HANDLER_FAILED", sha: "s", ...remains };
  return { jobs: new Map([["a", job]]), stats: { ...NOTHING, [job.state]: 1 } };
}

function found(lines: readonly Line[], contents: Contents): readonly string[] {
  return foundWithin(BOUNDS, lines, contents);
}

function foundWithin(bounds: Bounds, lines: readonly Line[], contents: Contents): readonly string[] {
  return check(lines, contents, bounds).violations.map(({ kind, why }) => `${kind}: ${why}`);
}

const PUSHED: readonly Timed[] = [
  [0, pushing, "p1"],
  [1, pushed, "p1"],
];
const DONE: readonly Timed[] = [
  [10, start(1, 9)],
  [11, run],
  [12, ran],
  [13, finishing(1)],
  [14, ok(1)],
];

test("an honest run has no violation", () => {
  expect(found(log(...PUSHED, ...DONE), completed(1))).toEqual([]);
});

test("a push without an answer may be stored or not", () => {
  expect(found(log([0, pushing, "p1"]), completed(0))).toEqual([]);
  expect(found(log([0, pushing, "p1"], ...DONE), completed(1))).toEqual([]);
});

test("lost: pushed and nowhere", () => {
  expect(found(log(...PUSHED), completed(0))).toEqual(["lost: pushed, never ran to its end, and not in the store"]);
});

test("lost: ran, was not completed by anybody, and is not in the store", () => {
  const lines = log(...PUSHED, [10, start(1, 9)], [12, ran], [13, finishing(1)], [14, refused(1)]);
  expect(found(lines, completed(0))).toEqual(["lost: not in the store, though nobody completed it"]);
});

test("wrong: another payload at the handler, another one in the store", () => {
  const changed: Timed = [11, { type: "run", id: "a", sha: "other" }];
  expect(found(log(...PUSHED, changed, ...DONE), completed(1))).toEqual(["wrong: changed on its way to w1"]);
  expect(found(log(...PUSHED), left({ state: "pending", sha: "other", code: undefined }))).toEqual([
    "wrong: changed in the store (pending)",
  ]);
});

test("wrong: failed before its losses or attempts are used up", () => {
  const [early] = found(log(...PUSHED, killed0()), left({ code: "LEASE_EXPIRED", losses: 1, attempts: 1 }));
  expect(early).toBe("wrong: failed with LEASE_EXPIRED after 1 of 2 losses");
  const throws = log([0, { ...pushing, fate: "HANDLER_FAILED" }, "p1"], [1, pushed, "p1"]);
  expect(found(throws, left({ attempts: 1 }))).toEqual(["wrong: failed after 1 attempts with 0 losses, of 2"]);
  expect(found(throws, left({ attempts: 2 }))).toEqual([]);
});

test("wrong: given out again after its last loss, or its last attempt", () => {
  const losses = log(
    ...PUSHED,
    [1, { type: "claiming", claim: 1, max: 2 }, "w2"],
    [2, { ...killed, target: "w2" }, "c"],
    [10, start(1, 9, { attempts: 3, losses: 2 })],
    [11, ran],
    [13, finishing(1)],
    [14, ok(1)],
  );
  expect(found(losses, completed(1))).toEqual(["wrong: given out again after 2 of 2 losses"]);
  const attempts = log(...PUSHED, [10, start(1, 9, { attempts: 3 })], [11, ran], [13, finishing(1)], [14, ok(1)]);
  expect(found(attempts, completed(1))).toEqual(["wrong: attempt 3 with 0 losses, of 2"]);
});

test("wrong: statistics that do not add up, and jobs that nobody pushed", () => {
  expect(found(log(...PUSHED, ...DONE), completed(2))).toEqual(["wrong: completedJobs is 2; the logs know of 1 to 1"]);
  expect(found([], left({}))).toEqual(["wrong: in the store, though nobody pushed it"]);
});

test("a completion whose answer was cut by a kill may be counted or not", () => {
  const lines = log(...PUSHED, ...DONE.slice(0, 4), [15, killed]);
  expect(found(lines, completed(1))).toEqual([]);
  const again = log(
    ...PUSHED,
    ...DONE.slice(0, 4),
    [15, killed],
    [1_010, start(2, 1_009, { attempts: 2, losses: 1 }), "w2"],
  );
  expect(found([...again, ...log([1_011, finishing(2), "w2"], [1_012, ok(2), "w2"])], completed(1))).toEqual([]);
});

test("illegal duplicate: a start after the completion", () => {
  const again = log(...PUSHED, ...DONE, [2_000, start(2, 1_999), "w2"], [2_001, killed, "w2"]);
  expect(found(again, completed(1))).toEqual([`illegal duplicate: started under 2 after "done" was accepted under 1`]);
});

test("tokens that carry a version are in its order, however late an answer came", () => {
  const token = (version: number): string => `mifb3k2j9x0c4n8v7q1.${version}.0`;
  const lines = (late: number): readonly Line[] =>
    log(
      ...PUSHED,
      [9, { type: "fault", fault: "stop", target: "w1" }],
      [1_100, { ...start(1, 1_099, { attempts: 2, losses: 1 }), token: token(7) } as Entry, "w2"],
      [1_101, ran, "w2"],
      [1_102, { ...finishing(1), token: token(7) } as Entry, "w2"],
      [1_103, { ...ok(1), token: token(7) } as Entry, "w2"],
      [2_000, { ...start(1, 9), token: token(late) } as Entry],
    );
  expect(found(lines(5), completed(1))).toEqual([]);
  expect(found(lines(12), completed(1)).join()).toContain("illegal duplicate: started under");
});

test("illegal duplicate: an end that was accepted under an old token", () => {
  const lines = log(
    ...PUSHED,
    [10, start(1, 9)],
    [1_100, start(2, 1_099, { attempts: 2, losses: 1 }), "w2"],
    [1_200, ran],
    [1_201, finishing(1)],
    [1_202, ok(1)],
    [1_300, finishing(2), "w2"],
    [1_301, { type: "refused", id: "a", token: 2, end: "done" }, "w2"],
    [9, { type: "fault", fault: "stop", target: "w1" }],
  );
  expect(found(lines, completed(1))).toContain(`illegal duplicate: "done" accepted under 1 after a start under 2`);
});

test("an end that was repeated because its answer was lost may have been stored by its first try, unless its lease ran out before", () => {
  const unanswered = (losses: number, end: "done" | "release" = "release"): readonly Line[] =>
    log(
      ...PUSHED,
      [10, start(1, 9)],
      [11, run],
      [12, ran],
      [13, finishing(1, end)],
      [900, { ...ok(1, end), result: "unknown" } as Entry],
      [1_100, start(2, 1_099, { attempts: 2, losses }), "w2"],
      [1_200, finishing(1, end)],
      [1_201, ok(1, end)],
      [1_210, ran, "w2"],
      [1_211, finishing(2), "w2"],
      [1_212, ok(2), "w2"],
      [9, { type: "fault", fault: "stop", target: "w1" }],
    );
  expect(found(unanswered(0), completed(1))).toEqual([]);
  expect(found(unanswered(1), completed(1))).toContain(
    `illegal duplicate: "release" accepted under 1 after a start under 2`,
  );
  // Whatever was stored first, a final end has no start after it.
  expect(found(unanswered(0, "done"), completed(1))).toContain(
    `illegal duplicate: started under 2 after "done" was accepted under 1`,
  );
});

test("two leases: a start while the one before was valid, also by an extension", () => {
  const second: Timed = [1_100, start(2, 1_099, { attempts: 2, losses: 1 }), "w2"];
  const end: readonly Timed[] = [
    [1_200, ran, "w2"],
    [1_201, finishing(2), "w2"],
    [1_202, ok(2), "w2"],
    [20, killed],
  ];
  expect(found(log(...PUSHED, [10, start(1, 9)], second, ...end), completed(1))).toEqual([]);
  const extended: Entry = { type: "extended", id: "a", token: 1, sentAt: 500, leaseMs: LEASE_MS };
  expect(found(log(...PUSHED, [10, start(1, 9)], [501, extended], second, ...end), completed(1))).toEqual([
    "two leases: started under 2 400 ms before 1 could end",
  ]);
});

test("early: before the delay of the push, or of the release", () => {
  const delayed = (at: number): readonly Line[] =>
    log([0, { ...pushing, delayMs: 100 }, "p1"], [1, pushed, "p1"], ...shifted(at));
  expect(found(delayed(100), completed(1))).toEqual([]);
  expect(found(delayed(60), completed(1))).toEqual(["early: 60 ms after its push with a delay of 100 ms"]);
  const again = (at: number): readonly Line[] =>
    log(...PUSHED, [10, start(1, 9)], [20, finishing(1, "release", 300)], [21, ok(1, "release")], ...shifted(at, 2));
  expect(found(again(320), completed(1))).toEqual([]);
  expect(found(again(200), completed(1))).toEqual(["early: 180 ms after its release with a delay of 300 ms"]);
});

test("a wall clock that was set ahead makes delays due, one that was set back does not", () => {
  const step = (offsetMs: number): readonly Timed[] => [
    [30, { type: "stepping", offsetMs }, "c"],
    [31, { type: "stepped", offsetMs }, "c"],
  ];
  const delayed = (offsetMs: number): readonly Line[] =>
    log([0, { ...pushing, delayMs: 5_000 }, "p1"], [1, pushed, "p1"], ...step(offsetMs), ...shifted(60));
  expect(found(delayed(3_600_000), completed(1))).toEqual([]);
  expect(found(delayed(-3_600_000), completed(1))).toEqual(["early: 60 ms after its push with a delay of 5000 ms"]);
});

test("unbounded: a healthy process loses a lease, a batch is stored in part, a job is taken back late", () => {
  const second: readonly Timed[] = [
    [1_100, start(2, 1_099, { attempts: 2, losses: 1 }), "w2"],
    [1_200, ran, "w2"],
    [1_201, finishing(2), "w2"],
    [1_202, ok(2), "w2"],
  ];
  expect(found(log(...PUSHED, [10, start(1, 9)], ...second), completed(1))).toEqual([
    "unbounded: leases lost by healthy processes: 1, at most 0 can be explained",
  ]);
  const batch = log([0, { ...pushing, batch: "b" }, "p1"], [0, { ...pushing, id: "b", batch: "b" }, "p1"], ...DONE);
  expect(found(batch, completed(1))).toEqual(["unbounded: batches stored in part: 1, at most 0 can be explained"]);
  const late = log(
    ...PUSHED,
    [10, start(1, 9)],
    [20, killed],
    ...second.map(([at, entry, from = "w2"]): Timed => [at + 5_000, entry, from]),
  );
  // 5,091 ms after its lease, and the longest that a job waited for its first one was 9 ms.
  expect(found(late, completed(1))[0]).toMatch(/^unbounded: ms until taken back: 5082,/);
  // While no worker is ready nobody can take it back; one is enough.
  const up = (target: string): Entry => ({ type: "up", target });
  const lines = late.map((line): Timed => [line.at, line, line.from]);
  const dead: readonly Timed[] = [
    [5, up("w1"), "c"],
    [20, { type: "down", target: "w1" }, "c"],
    [5_900, up("w2"), "c"],
  ];
  expect(found(log(...dead, ...lines), completed(1))).toEqual([]);
  expect(found(log([4, up("w0"), "c"], ...dead, ...lines), completed(1))[0]).toMatch(/ms until taken back: 5082,/);
  const busy: readonly Timed[] = [
    [0, { ...pushing, id: "b" }, "p1"],
    [1, { type: "pushed", ids: ["b"] }, "p1"],
    [4_500, { ...start(9, 4_499), id: "b" } as Entry, "w2"],
  ];
  expect(found(log(...lines, ...busy), completed(1)).join()).not.toContain("taken back");
});

test("an outage of the store excuses the leases that it met, and work must go on soon after it", () => {
  const away = (from: number, until: number): readonly Timed[] => [
    [from, { type: "away", why: "killed" }, "c"],
    [until, { type: "back", why: "killed" }, "c"],
  ];
  const second = (at: number): readonly Timed[] => [
    [at, start(2, at - 1, { attempts: 2, losses: 1 }), "w2"],
    [at + 1, ran, "w2"],
    [at + 2, finishing(2), "w2"],
    [at + 3, ok(2), "w2"],
  ];
  const first: Timed = [10, start(1, 9)];
  expect(found(log(...PUSHED, first, ...away(900, 1_000), ...second(1_100)), completed(1))).toEqual([]);
  expect(found(log(...PUSHED, ...away(3, 5), first, ...second(1_100)), completed(1))).toEqual([
    "unbounded: leases lost by healthy processes: 1, at most 0 can be explained",
  ]);
  expect(found(log(...PUSHED, first, ...away(100, 200), ...second(1_100)), completed(1))).toEqual([
    "unbounded: ms until work went on: 900, at most 500 can be explained",
  ]);
  // While no worker is ready nobody can go on.
  const dead: readonly Timed[] = [
    [5, { type: "up", target: "w1" }, "c"],
    [150, killed, "c"],
    [150, { type: "down", target: "w1" }, "c"],
    [700, { type: "up", target: "w2" }, "c"],
  ];
  expect(found(log(...PUSHED, first, ...dead, ...away(100, 200), ...second(1_100)), completed(1))).toEqual([]);
});

test("a stall of its holder excuses a lease that ran out over it; a short one, one of another process, and one at another time do not", () => {
  const second: readonly Timed[] = shifted(1_100, 2).map(([at, entry]): Timed => [at, entry, "w2"]);
  const lines = (...stalls: readonly Timed[]): readonly Line[] =>
    log(...PUSHED, [10, start(1, 9)], ...stalls, ...second);
  const stalled = (since: number, until: number, from: string): Timed => [
    ...([until, { type: "stalled", since, until }, from] as const),
  ];
  const blamed = ["unbounded: leases lost by healthy processes: 1, at most 0 can be explained"];
  expect(found(lines(stalled(400, 1_050, "w1")), completed(1))).toEqual([]);
  expect(found(lines(stalled(400, 550, "w1"), stalled(700, 850, "w1")), completed(1))).toEqual([]);
  expect(found(lines(), completed(1))).toEqual(blamed);
  expect(found(lines(stalled(400, 600, "w1")), completed(1))).toEqual(blamed);
  expect(found(lines(stalled(400, 1_050, "w2")), completed(1))).toEqual(blamed);
  expect(found(lines(stalled(1_020, 1_090, "w1")), completed(1))).toEqual(blamed);
  // The time of the lease that it had renewed counts, not that of the one before.
  const extended: Timed = [501, { type: "extended", id: "a", token: 1, sentAt: 500, leaseMs: LEASE_MS }];
  const late = shifted(1_600, 2).map(([at, entry]): Timed => [at, entry, "w2"]);
  expect(found(log(...PUSHED, [10, start(1, 9)], stalled(10, 490, "w1"), extended, ...late), completed(1))).toEqual(
    blamed,
  );
});

test("a claim whose answer came when half of its lease was over excuses that it ran out; one that came earlier, or was renewed, does not", () => {
  const second: readonly Timed[] = shifted(1_700, 2).map(([at, entry]): Timed => [at, entry, "w2"]);
  const blamed = ["unbounded: leases lost by healthy processes: 1, at most 0 can be explained"];
  const extended: Timed = [601, { type: "extended", id: "a", token: 1, sentAt: 600, leaseMs: LEASE_MS }];
  expect(found(log(...PUSHED, [520, start(1, 10)], ...second), completed(1))).toEqual([]);
  expect(found(log(...PUSHED, [500, start(1, 10)], ...second), completed(1))).toEqual(blamed);
  expect(found(log(...PUSHED, [520, start(1, 10)], extended, ...second), completed(1))).toEqual(blamed);
});

test("a stall excuses neither a second lease nor a lost job", () => {
  const stall: Timed = [900, { type: "stalled", since: 100, until: 900 }];
  const twice = log(...PUSHED, [10, start(1, 9)], stall, ...shifted(950, 2).map(([at, e]): Timed => [at, e, "w2"]));
  expect(found(twice, completed(1))).toEqual(["two leases: started under 2 59 ms before 1 could end"]);
  expect(found(log(...PUSHED, stall), completed(0))).toEqual([
    "lost: pushed, never ran to its end, and not in the store",
  ]);
});

test("while every worker that is ready stands still nobody can go on; one that is run can", () => {
  const up = (target: string): Timed => [2, { type: "up", target }, "c"];
  const outage: readonly Timed[] = [
    [3, { type: "away", why: "killed" }, "c"],
    [4, { type: "back", why: "killed" }, "c"],
  ];
  const stall = (from: string): Timed => [1_050, { type: "stalled", since: 50, until: 1_050 }, from];
  const blamed = ["unbounded: ms until work went on: 1096, at most 500 can be explained"];
  const lines = (...more: readonly Timed[]): readonly Line[] =>
    log(...PUSHED, up("w1"), up("w2"), ...outage, ...more, ...shifted(1_100));
  expect(found(lines(stall("w1"), stall("w2")), completed(1))).toEqual([]);
  expect(found(lines(stall("w1")), completed(1))).toEqual(blamed);
  expect(found(lines(), completed(1))).toEqual(blamed);
});

test("leases of claims whose answers a fault swallowed are explained, as many as were asked for", () => {
  const outage: readonly Timed[] = [
    [2, { type: "away", why: "answers dropped" }, "c"],
    [4, { type: "back", why: "answers dropped" }, "c"],
  ];
  const late = (losses: number): readonly Timed[] => [
    [10, start(9, 9, { attempts: losses + 1, losses })],
    [11, run],
    [12, finishing(9, "fail")],
    [13, ok(9, "fail")],
  ];
  const kept = left({ losses: 1, code: "HANDLER_FAILED", attempts: 3 });
  const many: Pushing = { ...pushing, fate: "HANDLER_FAILED", maxLosses: 50 };
  const lines = (losses: number, ...more: readonly Timed[]): readonly Line[] =>
    log([0, many, "p1"], [1, pushed, "p1"], ...more, ...late(losses));
  const claiming = (max: number): Timed => [2, { type: "claiming", claim: 1, max }];
  const claimed: Timed = [3, { type: "claimed", claim: 1 }];
  const kill: Timed = [4, killed, "c"];
  const blamed = (most: number): readonly string[] => [
    `unbounded: leases that no log saw: 1, at most ${most} can be explained`,
  ];
  expect(found(lines(1, claiming(1), ...outage), kept)).toEqual([]);
  expect(found(lines(1, claiming(1), claimed, ...outage), kept)).toEqual([]); // over the outage
  expect(found(lines(1, claiming(1), kill), kept)).toEqual([]);
  expect(found(lines(1, claiming(1), [3, { type: "claimFailed", claim: 1 }]), kept)).toEqual([]);
  expect(found(lines(1, claiming(0), kill), kept)).toEqual(blamed(0));
  expect(found(lines(1, claiming(1), claimed, kill), kept)).toEqual(blamed(0));
  expect(found(lines(1, claiming(1), claimed), kept)).toEqual(blamed(0));
  expect(found(lines(1, ...outage), kept)).toEqual(blamed(0));
  expect(foundWithin({ ...BOUNDS, unasked: 1 }, lines(1, kill), kept)).toEqual([]);
});

test("a lease whose end is unknown, and that the store counts as lost, is one that the log saw", () => {
  const lines = (result: "ok" | "unknown"): readonly Line[] =>
    log(
      [0, { ...pushing, fate: "HANDLER_FAILED" }, "p1"],
      [1, pushed, "p1"],
      [10, start(1, 9)],
      [11, run],
      [12, finishing(1, "release")],
      [13, { type: "finish", id: "a", token: 1, end: "release", result }],
      [1_020, start(2, 1_019, { attempts: 2, losses: 1 })],
      [1_021, run],
      [1_022, finishing(2, "fail")],
      [1_023, ok(2, "fail")],
    );
  const kept = left({ losses: 1, code: "HANDLER_FAILED", attempts: 3 });
  expect(found(lines("unknown"), kept)).toEqual([]);
  expect(found(lines("ok"), kept)).toEqual(["unbounded: leases that no log saw: 1, at most 0 can be explained"]);
});

test("on a broker an end that its holder's death undid is a lost lease that the log saw", () => {
  const broker: Bounds = { ...BOUNDS, leaseEnds: "connection", twicePerFault: 1, healthyLosses: 5, takeBackMs: 10_000 };
  const again: readonly Timed[] = [
    [300, start(2, 299, { attempts: 2, losses: 1 }), "w2"],
    [301, run, "w2"],
    [302, ran, "w2"],
    [303, finishing(2), "w2"],
    [304, ok(2), "w2"],
  ];
  const blamed = "unbounded: leases that no log saw: 1, at most 0 can be explained";
  const lines = log(...PUSHED, ...DONE, [100, killed, "c"], ...again);
  expect(foundWithin(broker, lines, completed(1))).toEqual([]);
  expect(found(lines, completed(1))).toContain(blamed);
  expect(foundWithin(broker, log(...PUSHED, ...DONE, ...again), completed(1))).toContain(blamed);
});

test("on a broker a fault may leave a job twice, between a copy and its original or just after an end; more than that is found", () => {
  const broker: Bounds = { ...BOUNDS, leaseEnds: "connection", twicePerFault: 1, healthyLosses: 5, takeBackMs: 10_000 };
  const again = (at: number): readonly Timed[] => shifted(at, 2);
  const killedServer = (at: number): readonly Timed[] => [
    [at, { type: "away", why: "killed" }, "c"],
    [at + 10, { type: "back", why: "killed" }, "c"],
  ];
  expect(foundWithin(broker, log(...PUSHED, ...DONE, ...killedServer(100), ...again(300)), completed(1))).toEqual([]);
  expect(foundWithin(broker, log(...PUSHED, ...DONE, ...again(300)), completed(1))).toEqual([
    "illegal duplicate: completed twice",
    'illegal duplicate: started under 2 after "done" was accepted under 1',
  ]);
  // Long after the end no fault explains it.
  expect(
    foundWithin(broker, log(...PUSHED, ...DONE, ...killedServer(5_000), ...again(5_300)), completed(1)),
  ).toHaveLength(2);
  // A lease ends with its connection, so a fault of the holder lets another one begin at once; without a fault it must not.
  const lease: Timed = [10, start(1, 9)];
  expect(foundWithin(broker, log(...PUSHED, lease, ...killedServer(20), ...again(50)), completed(1))).toEqual([]);
  expect(foundWithin(broker, log(...PUSHED, lease, [20, killed], ...again(50)), completed(1))).toEqual([]);
  expect(foundWithin(broker, log(...PUSHED, lease, ...again(50)), completed(1))).toEqual([
    "two leases: started under 2 959 ms before 1 could end",
  ]);
});

test("on a broker a lease ends when its end is refused, not when a copy of its job begins", () => {
  const broker: Bounds = { ...BOUNDS, leaseEnds: "connection", twicePerFault: 1, resumeMs: 60_000 };
  const copies = (...fault: readonly Timed[]): readonly Line[] =>
    log(...PUSHED, [10, start(1, 9)], ...shifted(50, 2), ...fault, [100, finishing(1)], [106, refused(1)]);
  const cut: readonly Timed[] = [
    [95, { type: "away", why: "connections cut" }, "c"],
    [105, { type: "back", why: "connections cut" }, "c"],
  ];
  expect(foundWithin(broker, copies(...cut), completed(1))).toEqual([]);
  expect(foundWithin(broker, copies(), completed(1))).toContain(
    "unbounded: leases lost by healthy processes: 1, at most 0 can be explained",
  );
});

test("on a broker one worker may hold both copies of a job: what it held when it was killed was not lost before", () => {
  const broker: Bounds = { ...BOUNDS, leaseEnds: "connection", twicePerFault: 1, takeBackMs: 10_000 };
  const both = (...fault: readonly Timed[]): readonly Line[] =>
    log(
      ...PUSHED,
      [10, start(1, 9)],
      [11, run],
      [12, finishing(1, "release")],
      [13, killed], // the copy is stored, the original's end is not
      [20, start(2, 19, { attempts: 2, losses: 1 }), "w2"],
      [25, start(3, 24, { attempts: 2 }), "w2"],
      ...fault,
      ...([
        [60, start(4, 59, { attempts: 2, losses: 1 }), "w3"],
        [61, run, "w3"],
        [62, ran, "w3"],
        [63, finishing(4), "w3"],
        [64, ok(4), "w3"],
      ] as const),
    );
  expect(foundWithin(broker, both([50, { ...killed, target: "w2" }]), completed(1))).toEqual([]);
  const blamed = ["unbounded: leases lost by healthy processes: 2, at most 0 can be explained"];
  expect(foundWithin(broker, both(), completed(1))).toEqual(blamed);
  // A mere stop, later, explains nothing.
  expect(foundWithin(broker, both([70, { type: "fault", fault: "stop", target: "w2" }]), completed(1))).toEqual(blamed);
});

test("on a broker a fault while the job waits may leave it twice, also long before it runs; one that comes later explains nothing", () => {
  const broker: Bounds = { ...BOUNDS, leaseEnds: "connection", twicePerFault: 1, takeBackMs: 10_000, resumeMs: 60_000 };
  const twice = (...fault: readonly Timed[]): readonly Line[] =>
    log(
      [0, { ...pushing, delayMs: 20_000 }, "p1"],
      [1, pushed, "p1"],
      ...fault,
      ...shifted(25_000, 1),
      ...shifted(26_000, 2),
    );
  const server = (at: number): readonly Timed[] => [
    [at, { type: "away", why: "killed" }, "c"],
    [at + 10, { type: "back", why: "killed" }, "c"],
  ];
  expect(foundWithin(broker, twice(...server(5_000)), completed(1))).toEqual([]);
  expect(foundWithin(broker, twice([5_000, killed]), completed(1))).toEqual([]);
  const dups = ["illegal duplicate: completed twice", expect.stringContaining("started under 2 after")];
  expect(foundWithin(broker, twice(), completed(1))).toEqual(dups);
  expect(foundWithin(broker, twice(...server(40_000)), completed(1))).toEqual(dups);
});

test("on a broker a stop ends a connection, so it may leave a job twice; where leases end by time it explains none", () => {
  const broker: Bounds = { ...BOUNDS, leaseEnds: "connection", twicePerFault: 1, takeBackMs: 10_000 };
  const stop: Timed = [5, { type: "fault", fault: "stop", target: "w1" }];
  // What had been sent to the stopped process when its connection ended, and was done by another one before it went on.
  const late: readonly Timed[] = [
    [9_000, start(2, 8_999)],
    [9_001, run],
    [9_002, ran],
    [9_003, finishing(2)],
    [9_004, refused(2)],
  ];
  const lines = (...fault: readonly Timed[]): readonly Line[] => log(...PUSHED, ...fault, ...DONE, ...late);
  expect(foundWithin(broker, lines(stop), completed(1))).toEqual([]);
  const blamed = 'illegal duplicate: started under 2 after "done" was accepted under 1';
  expect(foundWithin(broker, lines(), completed(1))).toEqual([blamed]);
  expect(found(lines(stop), completed(1))).toEqual([blamed]);
});

test("a fail-over may forget claims and ends that were confirmed shortly before it, and no push", () => {
  const group: Bounds = { ...BOUNDS, forgets: true, twicePerFault: 1, takeBackMs: 10_000, resumeMs: 10_000 };
  const failOver = (at: number): readonly Timed[] => [
    [at, { type: "away", why: "failed over" }, "c"],
    [at + 10, { type: "back", why: "failed over" }, "c"],
  ];
  const lease: Timed = [10, start(1, 9)];
  expect(foundWithin(group, log(...PUSHED, ...DONE, ...failOver(100), ...shifted(300, 2)), completed(1))).toEqual([]);
  expect(foundWithin(group, log(...PUSHED, lease, ...failOver(20), ...shifted(50, 2)), completed(1))).toEqual([]);
  expect(foundWithin(group, log(...PUSHED, ...DONE, ...shifted(300, 2)), completed(1))).toHaveLength(2);
  expect(
    foundWithin(group, log(...PUSHED, ...DONE, ...failOver(5_000), ...shifted(5_300, 2)), completed(1)),
  ).toHaveLength(2);
  expect(foundWithin(group, log(...PUSHED, ...failOver(100)), completed(0))).toEqual([
    "lost: pushed, never ran to its end, and not in the store",
  ]);
  const none = { ...group, twicePerFault: 0.1 };
  expect(foundWithin(none, log(...PUSHED, ...DONE, ...failOver(100), ...shifted(300, 2)), completed(1))).toEqual([
    "unbounded: jobs twice after a fault: 1, at most 0.1 can be explained",
  ]);
});

function killed0(): Timed {
  return [0, killed];
}

/** A lease that begins at `at` and completes the job. */
function shifted(at: number, token = 1): readonly Timed[] {
  return [
    [at, start(token, at)],
    [at + 1, ran],
    [at + 2, finishing(token)],
    [at + 3, ok(token)],
  ];
}
