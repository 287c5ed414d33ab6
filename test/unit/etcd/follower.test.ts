import { describe, expect, it } from "vitest";
import { EtcdRefusal, NoAnswer, TooMuchAtOnce } from "../../../src/drivers/etcd/client/failures.ts";
import { Follower } from "../../../src/drivers/etcd/client/follower.ts";
import { Gate } from "../../../src/drivers/etcd/client/gate.ts";
import type { EtcdEvent, WatchReply } from "../../../src/drivers/etcd/client/messages.ts";
import { Deferred } from "../../../src/runtime/index.ts";

const put = (key: string, revision: bigint, bytes = 1): EtcdEvent => ({
  key,
  revision,
  entry: { key, value: new Uint8Array(bytes), modRevision: revision, lease: 0n },
});
const reply = (events: readonly EtcdEvent[], more: Partial<WatchReply> = {}): WatchReply => ({
  ...{ id: 1n, revision: 100n, canceled: false, compacted: 0n, reason: "", isPart: false, events },
  ...more,
});

describe("what a watch holds until it is taken", () => {
  it("is the newest of each key", async () => {
    const follower = new Follower("p", 5n);
    follower.take(reply([put("a", 5n), put("b", 6n)]));
    follower.take(reply([{ key: "a", revision: 7n, entry: undefined }]));
    expect(await follower.next()).toEqual({
      events: [{ key: "a", revision: 7n, entry: undefined }, put("b", 6n)],
      revision: 7n,
    });
  });

  it("comes when the last part of a revision has come", async () => {
    const follower = new Follower("p", 5n);
    follower.take(reply([put("a", 5n)], { isPart: true }));
    let taken: unknown;
    const next = follower.next().then((changes) => (taken = changes));
    await Promise.resolve();
    expect(taken).toBeUndefined();
    follower.take(reply([put("b", 5n)]));
    await next;
    expect(taken).toMatchObject({ revision: 5n, events: [{ key: "a" }, { key: "b" }] });
  });

  it("is bounded: beyond it there is a gap, and nothing is held", async () => {
    const many = new Follower("p", 1n);
    for (let n = 0; n <= 10_000; n += 1) many.take(reply([put(`k${n}`, 1n)]));
    expect(await many.next()).toBe("gap");
    const large = new Follower("p", 1n);
    for (let n = 0; n < 9; n += 1) large.take(reply([put(`k${n}`, 1n, 1_048_576)]));
    expect(await large.next()).toBe("gap");
    const same = new Follower("p", 1n);
    for (let n = 0; n < 20; n += 1) same.take(reply([put("k", BigInt(n + 1), 1_048_576)]));
    expect(await same.next()).toMatchObject({ revision: 20n });
  });

  it("has a gap where the start was compacted, and where the store is behind it", async () => {
    const compacted = new Follower("p", 5n);
    compacted.take(reply([], { canceled: true, compacted: 9n }));
    expect(await compacted.next()).toBe("gap");
    const restored = new Follower("p", 5n);
    restored.take(reply([], { revision: 3n }));
    expect(await restored.next()).toBe("gap");
  });

  it("ends with what the server says, or without an error", async () => {
    const denied = new Follower("p", 5n);
    denied.take(reply([], { canceled: true, reason: "etcdserver: permission denied" }));
    await expect(denied.next()).rejects.toThrow(EtcdRefusal);
    const ended = new Follower("p", 5n);
    ended.take(reply([], { canceled: true }));
    await expect(ended.next()).rejects.toThrow(NoAnswer);
    const over = new Follower("p", 5n);
    over.end();
    expect(await over.next()).toBeUndefined();
  });
});

describe("the gate of calls", () => {
  it("lets so many through at once, the others in their order, and refuses what is too much", async () => {
    const gate = new Gate(2, 3, 10);
    const doors = Array.from({ length: 5 }, () => new Deferred());
    const began: number[] = [];
    const calls = doors.map((door, n) =>
      gate.through(3, async () => {
        began.push(n);
        await door.promise;
      }),
    );
    await expect(gate.through(1, () => Promise.resolve())).rejects.toThrow(TooMuchAtOnce);
    expect(began).toEqual([0, 1]);
    doors[1]?.resolve();
    await calls[1];
    await new Promise(setImmediate);
    expect(began).toEqual([0, 1, 2]);
    await expect(
      gate.through(5, () => Promise.resolve()),
      "too many bytes",
    ).rejects.toThrow(TooMuchAtOnce);
    for (const door of doors) door.resolve();
    await Promise.all(calls);
    expect(began).toEqual([0, 1, 2, 3, 4]);
    expect(await gate.through(1_000, () => Promise.resolve("empty again"))).toBe("empty again");
  });

  it("goes on after a call that failed", async () => {
    const gate = new Gate(1, 1, 10);
    const failing = gate.through(1, () => Promise.reject(new Error("it failed")));
    const next = gate.through(1, () => Promise.resolve("next"));
    await expect(failing).rejects.toThrow("it failed");
    expect(await next).toBe("next");
  });
});
