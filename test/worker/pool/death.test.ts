import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { isJobferryError } from "../../../src/entry/index.ts";
import { CHILDREN, eventually, Stage, startsIn } from "./stage.ts";
import { startStopwatch } from "../../stalls/stopwatch.ts";

it("runs the jobs of a process that was killed in its replacement, at once", async () => {
  await using stage = new Stage("processes", { workers: 2, concurrency: 2, maxAttempts: 1 });
  await stage.pool.start();
  const log = stage.log("starts");
  for (let i = 0; i < 4; i += 1) await stage.push("once", log);
  const starts = await eventually(() => startsIn(log).length === 4 && startsIn(log));
  const victim = starts[0]!.pid;
  const hit = starts.filter(({ pid }) => pid === victim).map(({ id }) => id);
  expect(hit).toHaveLength(2);

  const took = await startStopwatch();
  process.kill(victim, "SIGKILL");
  const { completed, error } = await stage.until((told) => told.completed.length === 2);
  expect(await took()).toBeLessThan(20_000); // the lease is 30 s
  expect(completed.map(({ job }) => job.id).toSorted()).toEqual(hit.toSorted());
  expect(completed.map(({ result }) => result)).toEqual([1, 2].map(() => ({ attempts: 2, losses: 1 })));
  expect(startsIn(log)).toHaveLength(6);
  expect(error).toHaveLength(1);
  expect(error[0]?.error).toMatchObject({ code: "WORKER_DIED" });
  expect(error[0]?.error.message).toContain(`process ${victim} died (signal SIGKILL) while it ran 2 jobs`);
  expect(stage.told.failed).toEqual([]);
});

describe.each(CHILDREN)("in a pool of %s", (isolation) => {
  it("a death costs no attempt of the retry budget", async () => {
    await using stage = new Stage(isolation, { maxAttempts: 2 });
    await stage.pool.start();
    await stage.result("exitOnce");
    expect(stage.told.failed.map(({ job, willRetry }) => [job.attempts, job.losses, willRetry])).toEqual([
      [2, 1, true],
      [3, 1, false],
    ]);
  });

  it("a job that kills whatever runs it ends in failed, and those beside it complete", async () => {
    await using stage = new Stage(isolation, { workers: 2, concurrency: 8 });
    await stage.pool.start();
    const neighbours = 40;
    for (let i = 0; i < neighbours; i += 1) {
      if (i === 5) await stage.push("exit", undefined, { id: "poison" });
      await stage.push("sleep", 30);
    }
    const { dead } = await stage.until((told) => told.completed.length === neighbours && told.dead.length === 1);
    expect(dead[0]?.job).toMatchObject({ id: "poison", losses: 3 });
    expect(isJobferryError(dead[0]?.error, "LEASE_EXPIRED")).toBe(true);
    expect(stage.told.failed).toEqual([]);
    expect(stage.told.error.map(({ error }) => error.code)).toEqual(["WORKER_DIED", "WORKER_DIED", "WORKER_DIED"]);
  });

  it("a rejection that nobody caught ends the child and tells why", async () => {
    await using stage = new Stage(isolation);
    await stage.pool.start();
    await stage.push("uncaught", undefined, { maxLosses: 1 });
    const { error } = await stage.until((told) => told.error.length === 1);
    expect(error[0]?.error).toMatchObject({ code: "WORKER_DIED", cause: { message: "nobody caught me" } });
    expect(error[0]?.error.message).toContain("nobody caught me");
    await stage.result("where");
  });

  it("a module that cannot be loaded any more is tried again, slower each time, until it can", async () => {
    const directory = mkdtempSync(join(tmpdir(), "jobferry-module-"));
    const file = join(directory, "handlers.mjs");
    const write = (): void =>
      writeFileSync(file, "export default (job) => (job.payload === 'die' ? process.exit(3) : 1);");
    write();
    await using stage = new Stage(isolation, {}, pathToFileURL(file));
    await stage.pool.start();
    rmSync(file);
    await stage.push("any", "die", { maxLosses: 1 });
    const { error } = await stage.until((told) => told.error.length === 3);
    const messages = error.map((told) => told.error.message);
    expect(messages[0]).toContain("(exit code 3) while it ran 1 job");
    expect(messages[0]).toContain("Another one starts at once.");
    expect(messages[1]).toMatch(
      /handlers.mjs does not exist.* That is death 2 in a row. Another one starts in \d+ ms./,
    );
    expect(messages[2]).toContain("That is death 3 in a row.");
    write();
    expect(await stage.result("any", "live")).toBe(1);
    rmSync(directory, { recursive: true });
  });
});
