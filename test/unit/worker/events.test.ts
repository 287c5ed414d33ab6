import { expect, test } from "vitest";
import { Worker } from "../../../src/worker/index.ts";
import { stage } from "./stage.ts";

test("a listener that throws or rejects is told as an error and holds up nobody", async () => {
  const { clock, worker, heard, push, end } = stage();
  const one = worker(async () => 1);
  one.on("completed", () => {
    throw new Error("sync");
  });
  one.on("completed", async () => {
    throw new Error("async");
  });
  one.on("completed", ({ job }) => heard.push(`then ${job.id}`));
  await push("a");
  await push("b");
  await one.start();
  await clock.advance(0);
  expect(heard.filter((line) => line.startsWith("then"))).toEqual(["then a", "then b"]);
  expect(heard.filter((line) => line === "error UNEXPECTED")).toHaveLength(4);
  await end(one);
});

test("a listener of `error` that throws is logged, and does not come back to itself", async () => {
  const { driver, clock, worker, lines, end } = stage();
  driver.script.reserve = async () => {
    throw new Error("away");
  };
  const one = worker(async () => 1);
  let told = 0;
  one.on("error", () => {
    told += 1;
    throw new Error("the listener too");
  });
  await one.start();
  await clock.advance("1s");
  expect(told).toBeGreaterThan(1);
  expect(lines.filter(({ level }) => level === "error")).toHaveLength(told);
  await end(one);
});

test("a job that failed for good is logged as a warning when nobody listens, and only then", async () => {
  const { clock, queue, lines, push, end } = stage();
  const fails = (): never => {
    throw new Error("no such customer");
  };
  const options = { maxAttempts: 1, concurrency: 1 } as const;
  const silent = new Worker(queue, "default", fails, options);
  await push("a");
  await silent.start();
  await clock.advance(0);
  const warnings = (): readonly string[] => lines.flatMap(({ level, message }) => (level === "warn" ? [message] : []));
  expect(warnings()).toEqual([expect.stringMatching(/^Job a failed for good .*no such customer/)]);
  silent.on("failed", () => undefined);
  await push("b");
  await clock.advance(0);
  expect(warnings()).toHaveLength(1);
  await end(silent as never);
});

test("options onCompleted and onFailed are listeners", async () => {
  const { clock, worker, push, end } = stage();
  const seen: string[] = [];
  const one = worker((job) => (job.id === "bad" ? Promise.reject(new Error("no")) : 7), {
    onCompleted: ({ job, result }) => seen.push(`${job.id} ${String(result)}`),
    onFailed: ({ job, willRetry, retryAt }) => seen.push(`${job.id} ${willRetry} ${(retryAt ?? 0) - clock.now()}`),
    backoff: "5s",
  });
  await push("good");
  await push("bad");
  await one.start();
  await clock.advance(0);
  expect(seen).toEqual(["good 7", "bad true 5000"]);
  await end(one);
});

test("strict order drains one queue before the next; weights share by their ratio", async () => {
  const { clock, worker, push, end } = stage();
  const ran: string[] = [];
  for (let n = 0; n < 5; n += 1) for (const queue of ["low", "high"]) await push(`${queue}${n}`, { queue });
  const strict = worker((job) => void ran.push(job.queue), { prefetch: 0 }, ["high", "low"]);
  await strict.start();
  await clock.advance(0);
  expect(ran).toEqual([...Array<string>(5).fill("high"), ...Array<string>(5).fill("low")]);
  await end(strict);

  const other = stage();
  for (let n = 0; n < 1_200; n += 1) for (const queue of ["a", "b"]) await other.push(`${queue}${n}`, { queue });
  const counts: Record<string, number> = { a: 0, b: 0 };
  const weighted = other.worker(
    (job) => void (counts[job.queue] = (counts[job.queue] ?? 0) + 1),
    { prefetch: 0, maxJobs: 1_200 },
    { a: 3, b: 1 },
  );
  await weighted.run();
  expect(counts["a"]).toBeGreaterThan(820);
  expect(counts["a"]).toBeLessThan(980);
  await other.end(weighted);
});
