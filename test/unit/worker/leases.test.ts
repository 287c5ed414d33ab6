import { expect, test } from "vitest";
import { during, Held, stage } from "./stage.ts";

const extendCalls = (driver: ReturnType<typeof stage>["driver"]): { items: number } => {
  const calls = { items: 0 };
  driver.script.extend = async (items, real) => {
    calls.items += items.length;
    return real();
  };
  return calls;
};

test("a handler that ends within abortGrace after its timeout counts as what it did", async () => {
  const { clock, worker, heard, push, end } = stage();
  const held = new Held();
  const one = worker(held.handler, { timeout: "2s", concurrency: 3 });
  for (const id of ["done", "throws", "permanent"]) await push(id);
  await one.start();
  await clock.advance("3s");
  expect([...held.aborted.values()]).toEqual(["TIMEOUT", "TIMEOUT", "TIMEOUT"]);
  held.end("done");
  held.end("throws", () => {
    throw new Error("interrupted");
  });
  await clock.advance(0);
  expect(heard).toEqual(["completed done done", "failed throws TIMEOUT true"]);
  await end(one);
});

test("one that ignores its signal is failed after abortGrace; its slot stays taken, and what it returns is ignored", async () => {
  const { queue, clock, worker, heard, push, end } = stage();
  const held = new Held();
  const one = worker(held.handler, { timeout: "2s", abortGrace: "3s", maxAttempts: 1 });
  await push("deaf");
  await push("next");
  await one.start();
  await clock.advance("4900ms");
  expect(heard).toEqual([]);
  await clock.advance("200ms");
  expect(heard).toEqual(["stuck deaf", "failed deaf TIMEOUT false", "dead deaf TIMEOUT"]);
  await clock.advance("1m");
  expect(held.started).toEqual(["deaf"]);
  held.end("deaf");
  await clock.advance(0);
  expect(held.started).toEqual(["deaf", "next"]);
  held.end("next");
  await clock.advance(0);
  expect(heard.slice(3)).toEqual(["completed next done"]);
  expect(await queue.getStats()).toMatchObject({ failedJobs: 1, completedJobs: 1 });
  await end(one);
});

test("leases are renewed as long as jobs run or wait here, and not much more often", async () => {
  const { queue, driver, clock, worker, heard, push, end } = stage();
  const extended = extendCalls(driver);
  const held = new Held();
  const one = worker(held.handler, { lease: "30s", prefetch: 2 });
  for (const id of ["running", "ahead1", "ahead2"]) await push(id);
  await one.start();
  await clock.advance("10m");
  expect(await queue.getStats()).toMatchObject({ reservedJobs: 3 });
  expect(extended.items).toBeGreaterThanOrEqual((3 * 600) / 30);
  expect(extended.items).toBeLessThanOrEqual((3 * 600) / 10 + 3);
  for (const id of ["running", "ahead1", "ahead2"]) {
    held.end(id);
    await clock.advance(0);
  }
  expect(heard).toEqual(["completed running done", "completed ahead1 done", "completed ahead2 done"]);
  expect((await queue.getStats()).completedJobs).toBe(3);
  await end(one);
});

test("a lost lease: the signal fires, `lost` is told once, and the token refuses what is returned", async () => {
  const { driver, clock, worker, heard, push, end } = stage();
  driver.script.extend = async (items) => items.map(() => "lost");
  driver.script.finish = async (items) => items.map(() => "lost");
  const held = new Held();
  const one = worker(held.handler, { lease: "30s", concurrency: 2 });
  await push("returns");
  await push("throws");
  await one.start();
  await clock.advance("11s");
  expect(held.aborted.get("returns")).toBe("LEASE_LOST");
  held.end("returns");
  held.end("throws", () => {
    throw new Error("aborted");
  });
  await clock.advance("1s");
  expect(heard).toEqual(["lost returns", "lost throws"]);
  delete driver.script.finish;
  await end(one);
});

test("a lease that is lost after the timeout neither moves the grace nor is told twice", async () => {
  const { driver, clock, worker, heard, push, end } = stage();
  const held = new Held();
  const one = worker(held.handler, { lease: "6s", timeout: "1s", abortGrace: "10s" });
  await push("a");
  await one.start();
  await clock.advance("2s");
  driver.script.extend = async (items) => items.map(() => "lost");
  await clock.advance("8900ms");
  expect(heard).toEqual(["lost a"]);
  await clock.advance("200ms");
  expect(heard).toEqual(["lost a", "stuck a"]);
  held.end("a");
  await end(one);
});

test("what was fetched ahead and lost its lease is not run, whether the store says so or the clock", async () => {
  for (const how of ["store", "clock"] as const) {
    const { driver, clock, worker, heard, push, end } = stage();
    const held = new Held();
    const one = worker(held.handler, { lease: "30s", prefetch: 3, abortGrace: "1h" });
    for (const id of ["first", "ahead"]) await push(id);
    await one.start();
    await clock.advance(0);
    driver.script.extend = async (items) => {
      if (how === "clock") throw new Error("away");
      return items.map(({ reservation }) => (reservation.job.id === "ahead" ? "lost" : "ok"));
    };
    driver.script.reserve = async () => ({ reservations: [], died: [], nextDueInMs: undefined });
    await clock.advance(how === "clock" ? "31s" : "16s");
    held.end("first");
    await clock.advance("1s");
    expect(held.started, how).toEqual(["first"]);
    expect(
      heard.filter((line) => line.endsWith(" ahead")),
      how,
    ).toEqual([]);
    await end(one);
  }
});

test("a store that does not answer extends: every holder gives up by its own clock before the store would", async () => {
  const { driver, clock, worker, heard, push, end } = stage();
  const held = new Held();
  const one = worker(held.handler, { lease: "30s" });
  await push("a");
  await one.start();
  driver.script.extend = () => new Promise(() => undefined);
  await clock.advance("28s");
  expect(heard).toEqual([]);
  await clock.advance("2s");
  expect(held.aborted.get("a")).toBe("LEASE_LOST");
  expect(heard).toEqual(["lost a"]);
  held.end("a");
  await end(one);
});

test("one extend that hangs does not keep later ones from being sent", async () => {
  const { queue, driver, clock, worker, heard, push, end } = stage();
  const held = new Held();
  const one = worker(held.handler, { lease: "60s" });
  let hung = 0;
  driver.script.extend = (_items, real) => (hung++ === 0 ? new Promise(() => undefined) : real());
  await push("a");
  await one.start();
  await clock.advance("10m");
  expect(heard).toEqual([]);
  expect(await queue.getStats()).toMatchObject({ reservedJobs: 1 });
  held.end("a");
  await clock.advance(0);
  expect(heard).toEqual(["completed a done"]);
  await end(one);
});

test("context.extend never makes a lease shorter than renewals keep it, and fails once the lease is lost", async () => {
  const { driver, clock, worker, heard, push, end } = stage();
  const codes: string[] = [];
  let extend: (fromNow: number) => Promise<void> = async () => undefined;
  const one = worker(
    (_job, context) => {
      ({ extend } = context);
      return new Promise(() => undefined);
    },
    { lease: "30s" },
  );
  await push("a");
  await one.start();
  await clock.advance(0);
  await extend(1);
  await clock.advance("5m");
  expect(heard).toEqual([]);
  driver.script.extend = async (items) => items.map(() => "lost");
  await extend(1_000).catch((error: { code: string }) => codes.push(error.code));
  await clock.advance("30s");
  expect(codes).toEqual(["LEASE_LOST"]);
  expect(heard[0]).toBe("lost a");
  await end(one);
});

test("a lease that ends with its connection is not extended and does not end by time", async () => {
  const { driver, clock, worker, heard, push, end } = stage(
    { lease: { ends: "connection", extend: "unsupported" } },
    { lease: "1h" },
  );
  const extended = extendCalls(driver);
  const held = new Held();
  const one = worker(held.handler, { lease: "30s", prefetch: 1 });
  // The store behind it does count: longer than this test lasts.
  driver.script.reserve = undefined as never;
  await push("a");
  await push("ahead");
  await one.start();
  await clock.advance("29s");
  expect(extended.items).toBe(0);
  expect(heard).toEqual([]);
  expect(held.aborted.size).toBe(0);
  held.end("a");
  await clock.advance("28s");
  expect(held.started).toEqual(["a", "ahead"]);
  held.end("ahead");
  await end(one);
});

test("a lease below what the store gives is refused at the start, which may be tried again", async () => {
  const { queue, clock, worker } = stage({ lease: { minMs: 5_000 } });
  const one = worker(async () => 1, { lease: "1s" });
  await expect(one.start()).rejects.toMatchObject({ code: "UNSUPPORTED" });
  expect(one.status).toBe("idle");
  await during(clock, queue.close());
});

test("a handler's own extension and a renewal are never under way at once, whoever is first", async () => {
  for (const first of ["renewal", "extension"]) {
    const { driver, clock, worker, heard, push, end } = stage();
    const flying: number[] = [];
    let most = 0;
    const leases: number[] = [];
    // The store takes a second for each, and takes them in any order.
    driver.script.extend = async (items, real) => {
      flying.push(...items.map(({ leaseMs }) => leaseMs));
      most = Math.max(most, flying.length);
      await new Promise<void>((resolve) => void clock.timer(1_000, resolve));
      leases.push(...flying.splice(0, items.length));
      return real();
    };
    const held = new Held();
    let extend: () => Promise<void> = async () => undefined;
    const one = worker(
      (job, context) => {
        extend = () => context.extend("1h");
        return held.handler(job, context);
      },
      { lease: "30s" },
    );
    await push("a");
    await one.start();
    // The first renewal is due at 10 s, when a third of the lease is used up.
    await clock.advance(first === "renewal" ? 10_500 : 9_500);
    const extended = extend();
    await clock.advance("3s");
    await extended;
    expect(most, first).toBe(1);
    expect(leases.at(-1), first).toBe(3_600_000);
    expect(leases.length, first).toBe(first === "renewal" ? 2 : 1);
    await clock.advance("50m");
    held.end("a");
    await clock.advance("1s");
    expect(heard, first).toEqual(["completed a done"]);
    await end(one);
  }
});
