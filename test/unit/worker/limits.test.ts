import { createJob } from "jobferry";
import { expect, test } from "vitest";
import { during, Held, stage } from "./stage.ts";

test("maxJobs: exactly so many are started, whatever the concurrency and the prefetch; the rest waits untouched", async () => {
  for (const options of [{ concurrency: 1 }, { concurrency: 7, prefetch: 50 }, { concurrency: 100 }]) {
    const { queue, clock, worker, heard } = stage();
    await queue.pushBatch(Array.from({ length: 100 }, (_, n) => createJob(n, { id: `${n}` })));
    let runs = 0;
    const one = worker(async () => (runs += 1), { ...options, maxJobs: 42 });
    expect(await during(clock, one.run())).toBe("maxJobs");
    expect(runs).toBe(42);
    expect(heard.at(-1)).toBe("stopped maxJobs 0");
    expect(await queue.getStats()).toMatchObject({ completedJobs: 42, pendingJobs: 58, reservedJobs: 0 });
    expect((await queue.records.get("99"))?.attempts).toBe(0);
    await during(clock, queue.close());
  }
});

test("maxJobs counts what was started: not what was handed back for its name or had expired", async () => {
  const { queue, clock, worker, push } = stage();
  for (const id of ["s1", "s2"]) await push(id, { name: "stray" });
  await push("late", { name: "known", retryUntil: 1 });
  for (const id of ["k1", "k2", "k3"]) await push(id, { name: "known" });
  await clock.advance("1s");
  const ran: string[] = [];
  const one = worker([{ name: "known", handler: (job: { id: string }) => void ran.push(job.id) }], { maxJobs: 2 });
  await during(clock, one.run());
  expect(ran).toEqual(["k1", "k2"]);
  await during(clock, queue.close());
});

test("maxTime stops a worker, also one that never had a job", async () => {
  const { queue, clock, worker, heard } = stage();
  const running = worker(async () => 1, { maxTime: "1h" }).run();
  await clock.advance("59m");
  expect(heard).toEqual([]);
  await clock.advance("1m");
  expect(await running).toBe("maxTime");
  await during(clock, queue.close());
  expect(clock.armed).toBe(0);
});

test("maxMemory drains and stops, and a limit below the bare process still lets jobs end", async () => {
  const { queue, clock, worker, heard, push } = stage();
  const held = new Held();
  const one = worker(held.handler, { maxMemory: 1 });
  await push("a");
  await push("b");
  await one.start();
  await clock.advance("2s");
  expect(one.status).toBe("stopping");
  held.end("a");
  await clock.advance(0);
  expect(one.status).toBe("stopped");
  expect(heard).toEqual(["completed a done", "stopped maxMemory 0"]);
  expect(held.started).toEqual(["a"]);
  await during(clock, queue.close());
});

test("stopWhenEmpty: not while jobs run, not while they push others, not for what is delayed", async () => {
  const { queue, clock, worker, heard, push } = stage();
  const held = new Held();
  const one = worker(held.handler, { stopWhenEmpty: true, concurrency: 4, prefetch: 3 });
  await push("a");
  await push("delayed", { delay: "1h" });
  const running = one.run();
  await clock.advance("10m");
  expect(one.status).toBe("running");
  await push("b"); // a job of a job
  await clock.advance(0);
  expect(held.started).toEqual(["a", "b"]);
  held.end("a");
  await clock.advance("1s");
  expect(one.status).toBe("running");
  held.end("b");
  await clock.advance(0);
  expect(await running).toBe("empty");
  expect(heard.at(-1)).toBe("stopped empty 0");
  expect(await queue.getStats()).toMatchObject({ completedJobs: 2, delayedJobs: 1 });
  await during(clock, queue.close());
});

test("stopWhenEmpty on nothing, on a paused queue, and after the only job lost its lease", async () => {
  const { queue, driver, clock, worker, push } = stage();
  expect(await during(clock, worker(async () => 1, { stopWhenEmpty: true }).run())).toBe("empty");
  await queue.pause("default");
  expect(await during(clock, worker(async () => 1, { stopWhenEmpty: true }).run())).toBe("empty");
  await push("a");
  expect(await during(clock, worker(async () => 1, { stopWhenEmpty: true }).run())).toBe("paused");
  await queue.resume("default");
  const held = new Held();
  driver.script.extend = async (items) => items.map(() => "lost");
  const running = worker(held.handler, { stopWhenEmpty: true, lease: "30s" }).run();
  await clock.advance("12s");
  held.end("a", () => {
    throw new Error("aborted");
  });
  await clock.advance(0);
  expect(await running).toBe("empty");
  await during(clock, queue.close());
});

test("stopWhenEmpty believes no empty answer of a store that counts something pending", async () => {
  const { queue, driver, clock, worker, push } = stage();
  await push("a");
  let shy = 3;
  driver.script.reserve = async (_request, real) =>
    (shy -= 1) >= 0 ? { reservations: [], died: [], nextDueInMs: undefined } : real();
  const one = worker(async () => 1, { stopWhenEmpty: true });
  expect(await during(clock, one.run())).toBe("empty");
  expect(await queue.getStats()).toMatchObject({ completedJobs: 1, pendingJobs: 0 });
  await during(clock, queue.close());
});
