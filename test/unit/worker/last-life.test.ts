import { expect, test } from "vitest";
import { during, Held, stage, type Stage } from "./stage.ts";

/** Pushes the jobs and lets their leases run out so often, in one process after the other. */
async function pushLost({ queue, clock, push }: Stage, losses: number, ids: readonly string[], maxLosses?: number) {
  for (const id of ids) await push(id, maxLosses === undefined ? {} : { maxLosses });
  for (let n = 0; n < losses; n += 1) {
    expect(await queue.popBatch(ids.length, { lease: "1s" })).toHaveLength(ids.length);
    await clock.advance("1s");
  }
}

/** Started, and no longer new: it asks for as many as there are slots. */
async function startedWorker(one: Stage, held: Held, concurrency: number) {
  const runner = one.worker(held.handler, { concurrency });
  await one.push("first");
  await runner.start();
  await one.clock.advance(0);
  held.end("first");
  await one.clock.advance(0);
  expect(held.started.splice(0)).toEqual(["first"]);
  one.heard.length = 0;
  return runner;
}

test("one job on its last life starts alone, and the others on theirs are with the store by then", async () => {
  const one = stage();
  const { clock, queue, push, heard, end } = one;
  const held = new Held();
  const runner = await startedWorker(one, held, 4);
  runner.pause();
  await pushLost(one, 2, ["a", "b", "c"]);
  await push("fresh");
  runner.resume();
  await clock.advance(0);
  expect(held.started).toEqual(["a"]);
  expect(await queue.getStats()).toMatchObject({ reservedJobs: 2, pendingJobs: 2 });
  held.end("a");
  await clock.advance(0);
  expect(held.started).toEqual(["a", "fresh"]);
  held.end("fresh");
  for (const id of ["b", "c"]) {
    await clock.advance(0);
    expect(held.started.at(-1)).toBe(id);
    expect(await queue.getStats()).toMatchObject({ reservedJobs: 1 });
    held.end(id);
  }
  await clock.advance(0);
  expect(heard).toEqual(["a", "fresh", "b", "c"].map((id) => `completed ${id} done`));
  await end(runner);
});

test("a worker that is new asks for one job first: it may have taken the place of one that died of what comes now", async () => {
  const one = stage();
  const { clock, driver, queue, worker, end } = one;
  await pushLost(one, 2, ["a", "b"]);
  const asked = driver.reserved.length;
  const held = new Held();
  const runner = worker(held.handler, { concurrency: 4 });
  await runner.start();
  await clock.advance(0);
  expect(driver.reserved.slice(asked).map(({ max }) => max)).toEqual([1]);
  expect(held.started).toEqual(["a"]);
  expect(await queue.getStats()).toMatchObject({ reservedJobs: 1, pendingJobs: 1 });
  for (const id of ["a", "b"]) {
    held.end(id);
    await clock.advance(0);
  }
  await end(runner);
});

test("it does not start before those that go back are with the store, and waits for no other end", async () => {
  const one = stage();
  const { clock, driver, push, worker, end } = one;
  const held = new Held();
  const runner = worker(held.handler, { concurrency: 3 });
  await push("runs");
  await runner.start();
  await clock.advance(0);
  runner.pause();
  await pushLost(one, 2, ["a", "b"]);
  const waiting: { ids: readonly string[]; confirm: () => void }[] = [];
  driver.script.finish = async (items, real) => {
    await new Promise<void>((confirm) =>
      waiting.push({ ids: items.map(({ reservation }) => reservation.job.id), confirm: () => confirm() }),
    );
    return real();
  };
  runner.resume();
  await clock.advance(0);
  held.end("runs");
  await clock.advance("1s");
  expect(held.started).toEqual(["runs"]);
  expect(waiting.map(({ ids }) => ids)).toEqual([["b"]]);
  waiting[0]?.confirm();
  await clock.advance(0);
  // Meanwhile the end of "runs" is under way.
  expect(waiting.map(({ ids }) => ids)).toEqual([["b"], ["runs"]]);
  expect(held.started).toEqual(["runs", "a"]);
  delete driver.script.finish;
  waiting[1]?.confirm();
  for (const id of ["a", "b"]) {
    held.end(id);
    await clock.advance(0);
  }
  held.end("b");
  await end(runner);
});

test("what is given back keeps its attempt, and several are not fetched and given back again and again", async () => {
  const one = stage();
  const { clock, driver, push, worker, end } = one;
  const ids = Array.from({ length: 20 }, (_, i) => `job-${i}`);
  const attempts: number[] = [];
  const runner = worker((job) => void attempts.push(job.attempts), { concurrency: 20 });
  await push("first");
  await runner.start();
  await clock.advance(0);
  expect(attempts.splice(0)).toEqual([1]);
  runner.pause();
  await pushLost(one, 2, ids);
  let released = 0;
  driver.script.finish = (items, real) => {
    released += items.filter(({ outcome }) => outcome === "release").length;
    return real();
  };
  runner.resume();
  await clock.advance("1s");
  expect(attempts).toEqual(ids.map(() => 3));
  expect(released).toBe(19);
  // With jobs that were never lost it fetches as many as there are slots again.
  await push("fresh");
  await clock.advance("1s");
  const asked: number[] = [];
  driver.script.reserve = ({ max }, real) => {
    asked.push(max);
    return real();
  };
  await push("another");
  await clock.advance("1s");
  expect(attempts).toHaveLength(22);
  expect(Math.min(...asked)).toBeGreaterThanOrEqual(20);
  await end(runner);
});

test("it waits for those that run, and nothing else is fetched or started until its own end is confirmed", async () => {
  const one = stage();
  const { clock, driver, queue, push, worker, end } = one;
  const held = new Held();
  const runner = worker(held.handler, { concurrency: 3 });
  await push("runs");
  await runner.start();
  await clock.advance(0);
  expect(held.started).toEqual(["runs"]);
  runner.pause();
  await pushLost(one, 2, ["last"]);
  runner.resume();
  await clock.advance(0);
  await push("later");
  await clock.advance("1s");
  expect(held.started).toEqual(["runs"]);
  expect(await queue.getStats()).toMatchObject({ reservedJobs: 2, pendingJobs: 1 });
  held.end("runs");
  await clock.advance(0);
  expect(held.started).toEqual(["runs", "last"]);
  let confirm: () => void = () => undefined;
  driver.script.finish = async (_, real) => {
    await new Promise<void>((resolve) => (confirm = resolve));
    return real();
  };
  held.end("last");
  await clock.advance("1s");
  // Its handler has ended, but as long as the store does not know a death would still be its last.
  expect(held.started).toEqual(["runs", "last"]);
  delete driver.script.finish;
  confirm();
  await clock.advance(0);
  expect(held.started).toEqual(["runs", "last", "later"]);
  held.end("later");
  await end(runner);
});

test("handlers that take long hold up nobody for more than 10 s, neither it nor the others", async () => {
  const one = stage();
  const { clock, push, worker, end } = one;
  const held = new Held();
  const runner = worker(held.handler, { concurrency: 3 });
  await push("long");
  await runner.start();
  await clock.advance(0);
  runner.pause();
  await pushLost(one, 2, ["last"]);
  runner.resume();
  await clock.advance("9900ms");
  await push("later");
  expect(held.started).toEqual(["long"]);
  await clock.advance("200ms");
  expect(held.started).toEqual(["long", "last"]);
  await clock.advance("9700ms");
  expect(held.started).toEqual(["long", "last"]);
  await clock.advance("300ms");
  expect(held.started).toEqual(["long", "last", "later"]);
  for (const id of ["long", "last", "later"]) held.end(id);
  await clock.advance(0);
  await end(runner);
});

test("which life is the last is told by the job, else by the queue; the only life of a job is not", async () => {
  for (const [losses, maxLosses, defaults, alone] of [
    [1, 2, undefined, true],
    [1, undefined, 2, true],
    [1, undefined, undefined, false],
    [2, undefined, undefined, true],
    [2, 4, undefined, false],
    [0, 1, undefined, false],
  ] as const) {
    const one = stage({}, defaults === undefined ? {} : { defaults: { maxLosses: defaults } });
    await pushLost(one, losses, ["a", "b"], maxLosses);
    const held = new Held();
    const runner = one.worker(held.handler, { concurrency: 2 });
    await runner.start();
    await one.clock.advance(0);
    expect(held.started, `${losses} losses of ${maxLosses}, queue ${defaults}`).toEqual(alone ? ["a"] : ["a", "b"]);
    for (const id of ["a", "b"]) {
      held.end(id);
      await one.clock.advance(0);
    }
    held.end("b");
    await one.end(runner);
  }
});

test("a lease that is lost all the same gives the place to others", async () => {
  const one = stage();
  const { clock, driver, push, worker, end } = one;
  await pushLost(one, 2, ["last"]);
  const held = new Held();
  const runner = worker(held.handler, { concurrency: 2, lease: "6s" });
  await runner.start();
  await clock.advance(0);
  await push("later");
  driver.script.extend = async (items) => items.map(() => "lost");
  await clock.advance("4s");
  expect(held.aborted.get("last")).toBe("LEASE_LOST");
  expect(held.started).toEqual(["last"]);
  held.end("last", () => {
    throw new Error("aborted");
  });
  await clock.advance(0);
  expect(held.started).toEqual(["last", "later"]);
  held.end("later");
  await end(runner);
});

test("a worker that stops while it waits gives it back with its attempt", async () => {
  const one = stage();
  const { clock, queue, push, worker } = one;
  const held = new Held();
  const runner = worker(held.handler, { concurrency: 2 });
  await push("runs");
  await runner.start();
  await clock.advance(0);
  runner.pause();
  await pushLost(one, 2, ["last"]);
  runner.resume();
  await clock.advance(0);
  expect(await queue.getStats()).toMatchObject({ reservedJobs: 2 });
  const stopping = runner.stop();
  await clock.advance(0);
  expect(await queue.getStats()).toMatchObject({ reservedJobs: 1, pendingJobs: 1 });
  held.end("runs");
  await during(clock, stopping);
  expect(held.started).toEqual(["runs"]);
  const last = await queue.pop();
  expect(last).toMatchObject({ attempts: 3, losses: 2 });
  await last?.complete();
  await during(clock, queue.close());
});

test("a worker that stops when nothing is left runs those that were given back first", async () => {
  const one = stage();
  const ids = ["a", "b", "c"];
  await pushLost(one, 2, ids);
  const started: string[] = [];
  const runner = one.worker((job) => void started.push(job.id), { concurrency: 3, stopWhenEmpty: true });
  expect(await during(one.clock, runner.run())).toBe("empty");
  expect(started).toEqual(ids);
  await during(one.clock, one.queue.close());
});

test("jobs that have a single life are not fetched ahead of those that begin, as long as they come", async () => {
  for (const [maxLosses, ahead] of [
    [1, false],
    [2, true],
  ] as const) {
    const one = stage({}, { defaults: { maxLosses } });
    const { clock, queue, push, worker, end } = one;
    for (let i = 0; i < 20; i += 1) await push(`job-${i}`);
    const held = new Held();
    const runner = worker(held.handler, { concurrency: 2, prefetch: 10 });
    await runner.start();
    await clock.advance(0);
    // The first fetch cannot know.
    for (let n = 0; n < 15; n += 1) {
      held.end(`job-${n}`);
      await clock.advance(0);
    }
    expect(held.running).toBe(2);
    const { reservedJobs } = await queue.getStats();
    expect(reservedJobs === 2, `maxLosses ${maxLosses}: ${reservedJobs} reserved`).toBe(!ahead);
    for (let n = 15; n < 20; n += 1) {
      held.end(`job-${n}`);
      await clock.advance(0);
    }
    await end(runner);
  }
});
