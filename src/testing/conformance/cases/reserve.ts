import assert from "node:assert/strict";
import { setImmediate as nextImmediate } from "node:timers/promises";
import type { Driver } from "../../../contract/index.ts";
import type { CaseGroup } from "../case.ts";
import * as needs from "../requirements.ts";
import { idsOf, QUEUE } from "../stage.ts";
import type { Stage } from "../stage.ts";
import { blocked, turns, waiting } from "./waiting.ts";

/** Reserves and finishes until `total` jobs were seen, from `consumers` loops at once. Every id with the number of times it came. */
async function consumeAll(
  stage: Stage,
  drivers: readonly Driver[],
  consumers: number,
  total: number,
  isPushing: () => boolean = () => false,
): Promise<ReadonlyMap<string, number>> {
  const seen = new Map<string, number>();
  let empty = 0;
  const consume = async (driver: Driver): Promise<void> => {
    while (seen.size < total && empty < 200) {
      const request = { queues: [QUEUE], max: 7, leaseMs: stage.leaseMs, waitMs: 0 };
      const result = await driver.reserve(request);
      stage.checkReserved(request, result);
      if (result.reservations.length === 0 && !isPushing()) empty += 1;
      for (const { job } of result.reservations) seen.set(job.id, (seen.get(job.id) ?? 0) + 1);
      const finished = await driver.finish(
        result.reservations.map((reservation) => ({ reservation, outcome: "done" })),
      );
      assert.ok(
        finished.every((answer) => answer === "ok"),
        `finishes of held jobs answer ${finished.join(", ")}`,
      );
      await nextImmediate();
    }
  };
  const loops = Array.from({ length: consumers }, (_, index) =>
    consume(drivers[index % drivers.length] ?? stage.driver),
  );
  await stage.settles(Promise.all(loops), stage.patienceMs * 10, "the consumers");
  return seen;
}

function once(seen: ReadonlyMap<string, number>, total: number): void {
  assert.equal(seen.size, total, "jobs that came");
  assert.deepEqual(
    [...seen].filter(([, times]) => times !== 1),
    [],
    "jobs that came more than once",
  );
}

/** Pushes and aborts in every order that the event loop allows: the job is in the result or still there, with its attempt where that can be given back. */
async function abortsAfter(stage: Stage, pushFirst: boolean, between: number): Promise<void> {
  const controller = new AbortController();
  const { request, result } = blocked(stage, { signal: controller.signal });
  await turns(2);
  const item = stage.item();
  let pushed: Promise<void> = Promise.resolve();
  if (pushFirst) {
    pushed = stage.push(item);
    await turns(between);
    controller.abort();
  } else {
    controller.abort();
    await turns(between);
    pushed = stage.push(item);
  }
  await pushed;
  const arrived = await stage.settles(result, 0, "an aborted reserve");
  stage.checkReserved(request, arrived);
  const [held] = arrived.reservations.length > 0 ? arrived.reservations : await stage.take(1);
  assert.equal(held?.job.id, item.id, "the job that was pushed around an abort");
  if (stage.capabilities.refund && held !== undefined)
    assert.equal(held.job.attempts, 1, "attempts after a claim that was handed back");
  if (held !== undefined) await stage.done(held);
  await stage.nothing();
}

export const reserve: CaseGroup = {
  group: "reserve",
  cases: [
    {
      name: "gives at most max, and all of it in the end",
      run: async (stage) => {
        await stage.push(stage.items(23));
        const sizes: number[] = [];
        let left = 23;
        while (left > 0) {
          const got = await stage.takeUpTo(Math.min(5, left), { max: 5 });
          assert.ok(got.length > 0, `${left} jobs are left and none comes`);
          sizes.push(got.length);
          left -= got.length;
        }
        assert.equal(left, 0);
        await stage.nothing();
      },
    },
    ...waiting,
    {
      name: "a lease that was waited for is counted from its claim, not from the call",
      requires: needs.all(needs.deadlines, needs.virtualTime),
      run: async (stage) => {
        const { result } = blocked(stage, { leaseMs: stage.shortLeaseMs });
        await stage.pass(10 * stage.shortLeaseMs);
        const pushedAt = stage.clock.monotonic();
        await stage.push(stage.item());
        const { reservations, claimedAt } = await stage.settles(
          result,
          stage.patienceMs,
          "a blocked reserve after a push",
        );
        assert.equal(reservations.length, 1);
        assert.ok(claimedAt !== undefined && claimedAt >= pushedAt, `claimed at ${claimedAt}, pushed at ${pushedAt}`);
        assert.ok(claimedAt <= stage.clock.monotonic(), "claimedAt is not to come");
      },
    },
    {
      name: "a consumer blocked on several queues is woken by the last of them",
      run: async (stage) => {
        const { result } = blocked(stage, { queues: ["first", "second", "third"] });
        await turns(3);
        await stage.push(stage.item({ queue: "third", id: "third" }));
        assert.deepEqual(
          idsOf((await stage.settles(result, stage.patienceMs, "a blocked reserve after a push")).reservations),
          ["third"],
        );
      },
    },
    {
      name: "each of several blocked consumers gets a job of its own",
      run: async (stage) => {
        const waiting = [blocked(stage), blocked(stage), blocked(stage)];
        await turns(3);
        const items = stage.items(3);
        await stage.push(items);
        const got = await stage.settles(
          Promise.all(waiting.map(({ result }) => result)),
          stage.patienceMs * 2,
          "three blocked reserves after three pushes",
        );
        assert.deepEqual(
          got.flatMap(({ reservations }) => idsOf(reservations)).toSorted(),
          items.map(({ id }) => id).toSorted(),
        );
      },
    },
    {
      name: "a released job wakes a blocked consumer",
      run: async (stage) => {
        const item = stage.item();
        await stage.push(item);
        const held = await stage.takeOne();
        const { request, result } = blocked(stage);
        await turns(3);
        await stage.release(held);
        const arrived = await stage.settles(result, stage.patienceMs, "a blocked reserve after a release");
        stage.checkReserved(request, arrived);
        assert.deepEqual(idsOf(arrived.reservations), [item.id]);
      },
    },
    {
      name: "queues are searched in their order",
      run: async (stage) => {
        for (const queue of ["low", "high", "middle"])
          await stage.push(stage.items(2).map((item) => ({ ...item, queue, id: `${queue} ${item.id}` })));
        const order: string[] = [];
        for (let index = 0; index < 6; index += 1)
          order.push((await stage.takeOne({ queues: ["high", "middle", "low"] })).job.queue);
        assert.deepEqual(order, ["high", "high", "middle", "middle", "low", "low"]);
      },
    },
    {
      name: "one call fills up from several queues",
      run: async (stage) => {
        for (const queue of ["one", "two", "three"]) await stage.push(stage.item({ queue }));
        const got = await stage.take(3, { queues: ["one", "two", "three"], max: 10 });
        assert.deepEqual(got.map(({ job }) => job.queue).toSorted(), ["one", "three", "two"]);
      },
    },
    {
      name: "unknown queues are empty, not an error",
      run: (stage) => stage.nothing({ queues: ["never pushed to"] }),
    },
    {
      name: "a signal that is aborted already takes no job away",
      run: async (stage) => {
        const item = stage.item();
        await stage.push(item);
        const result = await stage.reserve({ signal: AbortSignal.abort(), waitMs: 600_000 });
        const held = result.reservations[0] ?? (await stage.takeOne());
        assert.equal(held.job.id, item.id);
      },
    },
    {
      name: "abort resolves a blocked consumer with nothing",
      run: async (stage) => {
        const controller = new AbortController();
        const { result } = blocked(stage, { signal: controller.signal });
        await turns(3);
        controller.abort();
        assert.deepEqual(idsOf((await stage.settles(result, 0, "an aborted reserve")).reservations), []);
        await stage.push(stage.item());
        await stage.takeOne();
      },
    },
    {
      name: "abort after a claim loses nothing, whichever came first",
      run: async (stage) => {
        for (const pushFirst of [true, false]) {
          for (let between = 0; between <= 4; between += 1) await abortsAfter(stage, pushFirst, between);
        }
      },
    },
    {
      name: "a wait that ends while a job arrives loses nothing",
      requires: needs.virtualTime,
      run: async (stage) => {
        for (let early = 0; early <= 3; early += 1) {
          const { request, result } = blocked(stage, { waitMs: 50 });
          await stage.pass(50 - early);
          const item = stage.item();
          await stage.push(item);
          const arrived = await stage.settles(result, 50, "a reserve at its end");
          stage.checkReserved(request, arrived);
          const held = arrived.reservations[0] ?? (await stage.takeOne());
          assert.equal(held.job.id, item.id);
          await stage.done(held);
        }
      },
    },
    {
      name: "many consumers at once: every job exactly once",
      run: async (stage) => {
        await stage.push(stage.items(300));
        once(await consumeAll(stage, [stage.driver], 8, 300), 300);
        await stage.nothing();
      },
    },
    {
      name: "consumers of two processes at once: every job exactly once",
      requires: needs.shared,
      run: async (stage) => {
        await stage.push(stage.items(300));
        const second = await stage.second();
        once(await consumeAll(stage, [stage.driver, second], 8, 300), 300);
        await stage.nothing();
      },
    },
    {
      name: "jobs pushed while consumers run all come",
      run: async (stage) => {
        let isPushing = true;
        const pushAll = async (): Promise<void> => {
          for (let batch = 0; batch < 20; batch += 1) {
            await stage.push(stage.items(10));
            await turns(1);
          }
          isPushing = false;
        };
        const [seen] = await Promise.all([consumeAll(stage, [stage.driver], 4, 200, () => isPushing), pushAll()]);
        once(seen, 200);
      },
    },
    {
      name: "nextDueInMs is not later than what is due next",
      requires: needs.delays,
      run: async (stage) => {
        await stage.push(stage.item({ delayMs: stage.delayMs }));
        for (const { nextDueInMs } of [await stage.reserve(), await stage.maintain()]) {
          if (nextDueInMs === undefined) continue;
          assert.ok(
            nextDueInMs >= 0 && nextDueInMs <= stage.delayMs + stage.capabilities.delay.precisionMs,
            `next due in ${nextDueInMs} ms, delayed by ${stage.delayMs}`,
          );
        }
      },
    },
  ],
};
