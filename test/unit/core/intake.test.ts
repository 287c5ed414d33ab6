import { describe, expect, test } from "vitest";
import type { PushItem } from "../../../src/contract/index.ts";
import { createJob, ENVELOPE_VERSION, Queue } from "../../../src/core/index.ts";
import { memoryDriver } from "../../../src/drivers/memory/memory-driver.ts";
import { FakeDriver, strangeItem } from "./fake-driver.ts";
import { codeOf, popOne, type Stage, stageOn } from "./stage.ts";

const NEWER = Uint8Array.of(ENVELOPE_VERSION + 1, 3, 9, 9);

async function written(items: readonly PushItem[], options = {}): Promise<Stage<FakeDriver>> {
  const stage = stageOn(new FakeDriver(), options);
  await stage.queue.open();
  await stage.driver.push(items);
  return stage;
}

describe("a damaged job", () => {
  test.each([
    ["envelope", { envelope: Uint8Array.of(0) }],
    ["payload", { envelope: Uint8Array.of(ENVELOPE_VERSION, 3), payload: Uint8Array.of(0x7b) }],
    ["text", { envelope: Uint8Array.of(ENVELOPE_VERSION, 2), payload: Uint8Array.of(0xff) }],
  ])("is parked in failed with its bytes, and those behind it are popped: %s", async (_, change) => {
    const { queue, lines } = await written([strangeItem("bad", change)]);
    await queue.push(createJob("good"));
    expect((await popOne(queue)).payload).toBe("good");
    const record = await queue.records.get("bad");
    expect(record).toMatchObject({ state: "failed", payload: undefined, damage: { code: "ENVELOPE_DAMAGED" } });
    expect(record).toMatchObject({ failure: { code: "ENVELOPE_DAMAGED" } });
    expect(lines.filter(({ level }) => level === "error")).toHaveLength(1);
    expect(lines[0]?.message).toContain("Job bad cannot be read and is parked in failed");
  });

  test("does not spoil a listing or its print-out", async () => {
    const { queue } = await written([strangeItem("bad", { envelope: Uint8Array.of(0) })]);
    const { jobs } = await queue.records.list();
    expect(JSON.parse(JSON.stringify(jobs))).toMatchObject([{ id: "bad", damage: { code: "ENVELOPE_DAMAGED" } }]);
  });

  test("a store that does not answer its finish does not hold up the others", async () => {
    const { driver, queue, clock } = await written([
      strangeItem("bad", { envelope: Uint8Array.of(0) }),
      strangeItem("good", {}),
    ]);
    driver.script.finish = async () => new Promise(() => undefined);
    expect((await queue.popBatch(2)).map(({ id }) => id)).toEqual(["good"]);
    await clock.advance("1m");
  });
});

describe("a job of a newer version", () => {
  test("is handed back with refund and a delay, then parked after versionGrace", async () => {
    const { queue, clock } = await written([strangeItem("new", { envelope: NEWER })], { versionGrace: "1m" });
    for (let second = 0; second < 60; second += 5) {
      expect(await queue.pop()).toBeUndefined();
      expect(await queue.records.get("new")).toMatchObject({
        state: "delayed",
        attempts: 0,
        failure: { code: "ENVELOPE_NEWER" },
      });
      await clock.advance("5s");
    }
    expect(await queue.pop()).toBeUndefined();
    expect(await queue.records.get("new")).toMatchObject({ state: "failed", failure: { code: "ENVELOPE_NEWER" } });
  });

  test("goes back without a delay to a store that has none: asked in turns, not in a tight loop, and parked after versionGrace", async () => {
    const driver = new FakeDriver({ delay: { support: "unsupported", precisionMs: 0, maxMs: 0 } });
    const { queue, clock } = stageOn(driver, { versionGrace: "10s" });
    await queue.open();
    await driver.push([strangeItem("new", { envelope: NEWER })]);
    expect(await queue.pop()).toBeUndefined();
    expect(driver.finished.flat()).toMatchObject([{ outcome: "release", delayMs: 0, refund: true }]);
    const waiting = queue.pop({ wait: "5s" });
    await clock.advance("5s");
    expect(await waiting).toBeUndefined();
    expect(driver.reserved.length).toBeLessThan(30);
    await clock.advance("6s");
    expect(await queue.pop()).toBeUndefined();
    expect(await queue.records.get("new")).toMatchObject({ state: "failed", failure: { code: "ENVELOPE_NEWER" } });
    expect(clock.armed).toBe(0);
  });

  test("goes on when this process can read it meanwhile", async () => {
    const { queue, clock, driver } = await written([strangeItem("new", { envelope: NEWER })]);
    await queue.pop();
    await queue.records.remove(["new"]);
    await driver.push([strangeItem("new", {})]);
    await clock.advance("1h");
    expect((await popOne(queue)).id).toBe("new");
  });

  test("versionGrace 0 parks at once", async () => {
    const { queue } = await written([strangeItem("new", { envelope: NEWER })], { versionGrace: 0 });
    expect(await queue.pop()).toBeUndefined();
    expect(await queue.records.get("new")).toMatchObject({ state: "failed" });
  });

  test("more of them than are remembered are all parked in the end, and forgotten ones make room", async () => {
    const many = Array.from({ length: 10_050 }, (_, i) => strangeItem(`new-${i}`, { envelope: NEWER }));
    const { queue, clock } = await written(many, { versionGrace: "5s" });
    for (let i = 0; i < 3; i += 1) {
      await queue.popBatch(20_000);
      await clock.advance("5s");
    }
    expect(await queue.getStats()).toMatchObject({ failedJobs: 10_050, delayedJobs: 0, pendingJobs: 0 });
  });
});

describe("pop", () => {
  test("waits its whole time although a job dies meanwhile", async () => {
    const { queue, clock } = stageOn(new FakeDriver());
    await queue.push(createJob(1, { maxLosses: 1 }));
    await queue.pop({ lease: "1s" });
    let answered = false;
    const waiting = queue.pop({ wait: "10s" }).then((job) => {
      answered = true;
      return job;
    });
    await clock.advance("5s");
    expect(answered).toBe(false);
    expect((await queue.getStats()).failedJobs).toBe(1);
    await queue.push(createJob(2));
    expect((await waiting)?.payload).toBe(2);
  });

  test("ends with its time, or with the signal, and leaves nothing behind", async () => {
    const { queue, clock } = stageOn(new FakeDriver());
    const stop = new AbortController();
    const both = Promise.all([queue.pop({ wait: "1s" }), queue.pop({ wait: "1h", signal: stop.signal })]);
    await clock.advance("1s");
    stop.abort();
    expect(await both).toEqual([undefined, undefined]);
    expect(clock.armed).toBe(0);
    expect(await queue.pop({ signal: stop.signal })).toBeUndefined();
  });

  test("takes from default unless told, and each option is checked", async () => {
    const { driver, queue } = stageOn(new FakeDriver());
    await queue.push(createJob(1, { queue: "reports" }));
    expect(await queue.pop()).toBeUndefined();
    expect(await queue.popBatch(5, { queue: "reports", lease: "5s" })).toHaveLength(1);
    expect(driver.reserved.at(-1)).toMatchObject({ queues: ["reports"], max: 5, leaseMs: 5_000, waitMs: 0 });
    const bad = [{ queue: "" }, { wait: -1 }, { lease: 0 }, { wait: "x" }, { queues: ["a"] }, { waitMs: 5 }];
    for (const options of bad)
      expect(await codeOf(queue.pop(options as never)), JSON.stringify(options)).toBe("INVALID_ARGUMENT");
    for (const max of [0, -1, 1.5, 100_001, "3"])
      expect(await codeOf(queue.popBatch(max as number))).toBe("INVALID_ARGUMENT");
  });
});

test("what a driver inside the process keeps is the very value: copy false", async () => {
  await using queue = new Queue(memoryDriver({ copy: false }));
  const payload = { socket: new Map([[1, new Date()]]), self: undefined as unknown };
  payload.self = payload; // a cycle, which nothing may walk
  await queue.push(createJob<unknown>(payload));
  expect((await popOne(queue)).payload).toBe(payload);
});
