import { describe, expect, it } from "vitest";
import { createJob, isJobferryError, type JobferryError, memoryQueue, WorkerPool } from "../../../src/entry/index.ts";
import { CHILDREN, HANDLERS, Stage } from "./stage.ts";

const PLAIN = new URL("./modules/plain.mjs", import.meta.url);

describe.each(CHILDREN)("a pool of %s", (isolation) => {
  it("runs the function of a JavaScript module for every name", async () => {
    await using stage = new Stage(isolation, {}, PLAIN);
    await stage.pool.start();
    expect(await stage.result("any", { a: [1] })).toEqual({ name: "any", payload: { a: [1] } });
    expect(await stage.result("other", "text")).toEqual({ name: "other", payload: "text" });
  });

  it("runs the routes of a TypeScript module elsewhere, and hands back names without a route", async () => {
    await using stage = new Stage(isolation);
    await stage.pool.start();
    const { pid, isMainThread } = (await stage.result("where")) as { pid: number; isMainThread: boolean };
    expect(isMainThread).toBe(isolation === "processes");
    expect(pid === process.pid).toBe(isolation === "threads");
    await stage.push("nobody");
    const { unknown } = await stage.until((told) => told.unknown.length > 0);
    expect(unknown[0]?.job.name).toBe("nobody");
  });

  it("does not mind what a handler itself sends to the parent", async () => {
    await using stage = new Stage(isolation);
    await stage.pool.start();
    expect(await stage.result("talks")).toBe("said");
    expect(stage.told.error).toEqual([]);
  });

  it("shows the handler the job as it would be seen here", async () => {
    await using stage = new Stage(isolation);
    await stage.pool.start();
    const options = { priority: 3, tags: { a: "ä" }, headers: { h: "1" }, maxAttempts: 9, timeout: 5_000 } as const;
    const payload = { text: "ü\u{1F600}", list: [1, null, { __proto__: null, deep: true }] };
    const job = await stage.push("seen", payload, options);
    const { completed } = await stage.until((told) => told.completed.length === 1);
    const { bytes, payloadType, ...seen } = completed[0]!.result as Record<string, unknown>;
    expect(seen).toEqual({
      id: job.id,
      name: "seen",
      queue: "default",
      ...{ payload, attempts: 1, losses: 0, exceptions: 0, delay: 0 },
      ...options,
      createdAt: job.createdAt,
      availableAt: completed[0]?.job.availableAt,
      reservedAt: completed[0]?.job.reservedAt,
    });
    expect(Buffer.from(bytes as Uint8Array).toString()).toBe(JSON.stringify(payload));
    expect(payloadType).toBe("object");
    for (const [value, type] of [
      [new Uint8Array([0, 255]), "bytes"],
      ["", "string"],
      [undefined, "undefined"],
    ] as const) {
      const { payload: got, payloadType: of } = (await stage.result("seen", value)) as Record<string, unknown>;
      expect(of).toBe(type);
      expect(got === undefined ? got : (got as Uint8Array | string).valueOf()).toEqual(value);
    }
  });

  it("brings thrown things back as what they were", async () => {
    await using stage = new Stage(isolation, { maxAttempts: 1 });
    await stage.pool.start();
    const typeError = (await stage.result("typeError")) as TypeError & { status: number };
    expect(typeError).toBeInstanceOf(TypeError);
    expect(typeError).toMatchObject({ message: "no such thing", status: 404, cause: { message: "below" } });
    expect(typeError.stack).toContain("handlers.ts");
    const away = await stage.result("jobferryError");
    expect(isJobferryError(away, "UNAVAILABLE") && away.retryable).toBe(true);
    expect(await stage.result("text")).toMatchObject({ message: "just text" });
    expect(await stage.result("getter")).toBeInstanceOf(Error);
  });

  it("retries what is thrown, but not a PermanentError", async () => {
    await using stage = new Stage(isolation, { maxAttempts: 3 });
    await stage.pool.start();
    expect(await stage.result("permanent")).toBeInstanceOf(RangeError);
    expect(stage.told.failed).toHaveLength(1);
    await stage.result("typeError");
    expect(stage.told.failed.slice(1).map(({ willRetry }) => willRetry)).toEqual([true, true, false]);
    expect(stage.pool.getStats()).toMatchObject({ totalProcessed: 4, totalFailed: 4 });
  });

  it("asks shouldRetry and backoff here, with the error's simple properties", async () => {
    const seen: unknown[] = [];
    await using stage = new Stage(isolation, {
      backoff: (attempt, error) => (seen.push([attempt, error.message]), 1),
      shouldRetry: (error) => (error as Error & { status?: number }).status !== 404,
    });
    await stage.pool.start();
    await stage.result("typeError");
    expect(stage.told.failed).toHaveLength(1);
    await stage.result("text");
    expect(seen).toEqual([1, 2].map((attempt) => [attempt, "just text"]));
  });

  it("clones results; a job whose result cannot be cloned is done all the same, once and without it, and the pool tells", async () => {
    await using stage = new Stage(isolation, { maxAttempts: 3, concurrency: 4 });
    await stage.pool.start();
    const before = (await stage.result("where")) as object;
    for (const name of ["date", "notCloneable", "date"]) await stage.push(name); // in one batch
    const { completed, failed, error } = await stage.until((told) => told.completed.length === 4);
    expect(completed[1]?.result).toEqual({ at: new Date(5), map: new Map([[1, new Uint8Array([1, 2])]]) });
    const uncloned = completed.find(({ job }) => job.name === "notCloneable");
    expect([uncloned?.result, uncloned?.job.attempts, failed]).toEqual([undefined, 1, []]);
    expect(error.map((told) => isJobferryError(told.error, "PAYLOAD_INVALID"))).toEqual([true]);
    expect(error[0]?.error.message).toContain(`The result of job ${uncloned?.job.id} cannot be cloned`);
    expect(await stage.result("where")).toEqual(before);
  });

  it("carries abort, extend, retry, snooze and cancel across the border", async () => {
    await using stage = new Stage(isolation, { concurrency: 4 });
    await stage.pool.start();
    const timedOut = await stage.result("untilAborted", undefined, { timeout: 20, maxAttempts: 1 });
    expect(isJobferryError(timedOut, "TIMEOUT")).toBe(true);
    expect(await stage.result("extend", "1m")).toBe("extended");
    expect(await stage.result("extend", "soon", { maxAttempts: 1 })).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(await stage.result("retry")).toBe(2);
    expect(await stage.result("snooze")).toBe(1); // the attempt was given back
    const cancelled = await stage.result("cancel");
    expect(isJobferryError(cancelled, "CANCELLED")).toBe(true);
    expect((cancelled as JobferryError).message).toBe("not wanted");
  });

  it("aborts with SHUTDOWN at a stop and hands back what ignores it, losing no attempt", async () => {
    await using stage = new Stage(isolation, { concurrency: 2, abortGrace: 100 });
    await stage.pool.start();
    await stage.push("untilAborted");
    await stage.push("ignoreSignal", stage.log("ignored"));
    await new Promise<void>((resolve) => {
      const look = (): void => (stage.pool.getStats().activeWorkers === 1 ? resolve() : void setImmediate(look));
      look();
    });
    await stage.pool.stop({ timeout: 20 });
    expect(stage.told.failed).toEqual([]);
    expect(await stage.queue.getStats()).toMatchObject({ pendingJobs: 2, reservedJobs: 0 });
    expect((await stage.queue.pop())?.attempts).toBe(1);
    expect(stage.pool.getStats().status).toBe("stopped");
  });

  it("counts its workers, pauses and resumes, and run() ends with the signal", async () => {
    await using stage = new Stage(isolation, { workers: 2, concurrency: 2 });
    expect(stage.pool.getStats()).toEqual({
      status: "idle",
      totalWorkers: 2,
      activeWorkers: 0,
      idleWorkers: 2,
      totalProcessed: 0,
      totalFailed: 0,
    });
    const stop = new AbortController();
    const ran = stage.pool.run(stop.signal);
    await stage.result("where");
    stage.pool.pause();
    const { id } = await stage.push("sleep", 5_000);
    expect(await stage.queue.size()).toBe(1);
    stage.pool.resume();
    while (stage.pool.getStats().activeWorkers === 0) await new Promise((resolve) => void setImmediate(resolve));
    expect(stage.pool.getStats()).toMatchObject({ status: "running", activeWorkers: 1, idleWorkers: 1 });
    stop.abort();
    void stage.pool.stop({ timeout: 0 });
    await stage.until((told) => told.stopped.length === 1);
    expect(await ran).toBe("signal");
    expect(stage.told.completed.some(({ job }) => job.id === id)).toBe(false);
  });
});

it("gives processes the options of Node.js that were asked for", async () => {
  await using stage = new Stage("processes", { execArgv: ["--max-old-space-size=99"] });
  await stage.pool.start();
  expect(await stage.result("where")).toMatchObject({ execArgv: ["--max-old-space-size=99"] });
});

it("runs inline with the workers' slots together", async () => {
  const queue = memoryQueue();
  let [now, most] = [0, 0];
  await using pool = new WorkerPool(
    queue,
    "default",
    async () => {
      most = Math.max(most, (now += 1));
      await new Promise((resolve) => void setImmediate(resolve));
      now -= 1;
    },
    { workers: 2, concurrency: 3, stopWhenEmpty: true },
  );
  await queue.pushBatch(Array.from({ length: 30 }, (_, i) => createJob(i)));
  expect(await pool.run()).toBe("empty");
  expect(most).toBe(6);
  expect(pool.getStats()).toEqual({
    status: "stopped",
    totalWorkers: 2,
    activeWorkers: 0,
    idleWorkers: 2,
    totalProcessed: 30,
    totalFailed: 0,
  });
});

describe("options", () => {
  const queue = memoryQueue();
  const make = (work: unknown, options: object) => () => new WorkerPool(queue, "default", work as never, options);

  it.each([
    [() => 1, { worker: 3 }, 'Did you mean "workers"?'],
    [() => 1, { workers: 0 }, "workers is 0; it must be an integer from 1"],
    [() => 1, { isolation: "fibers" }, 'isolation is "fibers"'],
    [() => 1, { execArgv: [] }, 'left out with isolation "inline"'],
    [HANDLERS, { isolation: "processes", execArgv: "--inspect" }, "execArgv is"],
    [HANDLERS, {}, "loadWork"],
    [() => 1, { isolation: "threads" }, "a file: URL"],
    [HANDLERS.href, { isolation: "threads" }, "a file: URL"],
    [new URL("https://example.org/h.js"), { isolation: "processes" }, "a file: URL"],
  ])("refuses %o with %o", (work, options, message) => {
    expect(make(work, options)).toThrow(message);
  });

  it("tells no password of a URL that is no module", () => {
    const url = new URL("https://ann:hunter2@example.org/h.js");
    for (const [work, options] of [
      [url, {}],
      [url, { isolation: "threads" }],
      [url.href, { isolation: "threads" }],
    ] as const) {
      expect(make(work, options)).toThrow("it must be");
      expect(make(work, options)).not.toThrow("hunter2");
    }
  });

  it("refuses execArgv that a thread or process cannot have, and leaves nothing running", async () => {
    for (const isolation of CHILDREN) {
      await using stage = new Stage(isolation, { execArgv: ["--no-such-option"] });
      await expect(stage.pool.start()).rejects.toThrow("--no-such-option");
      expect(stage.pool.getStats().status).toBe("idle");
    }
  });
});
