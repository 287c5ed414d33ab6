import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import { afterEach, describe, expect, it } from "vitest";
import { createJob, type Queue } from "jobferry";
import { redisQueue } from "jobferry/redis";
import { silentLogger } from "../../src/runtime/index.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { rejection } from "./stage.ts";

const server = await sharedServer("redis");

/** Of the scripts that name one of these words the next does not arrive, until it is let go. */
class HoldingClient extends Redis {
  #word: string | undefined;
  #held: (() => Promise<unknown>) | undefined;
  #before: Readonly<{ word: string; act: () => Promise<unknown> }> | undefined;

  holdNext(word: string): void {
    this.#word = word;
  }

  /** Before the next script that names the word arrives this is done. */
  doBefore(word: string, act: () => Promise<unknown>): void {
    this.#before = { word, act };
  }

  /** It arrives now. */
  async arrive(): Promise<void> {
    if (this.#held === undefined) throw new Error("nothing was held");
    await this.#held();
  }

  override callBuffer(...all: readonly unknown[]): Promise<unknown> {
    const [, args] = all as [string, readonly unknown[]];
    const send = (): Promise<unknown> => super.callBuffer(...(all as Parameters<Redis["callBuffer"]>));
    const before = this.#before;
    if (before !== undefined && args.includes(before.word)) {
      this.#before = undefined;
      return before.act().then(send);
    }
    if (this.#word === undefined || !args.includes(this.#word)) return send();
    this.#word = undefined;
    this.#held = send;
    return new Promise(() => undefined);
  }
}

describe.runIf(server !== undefined)("redis: a call that was given up and arrives after all", () => {
  const closers: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
  });

  async function opened(): Promise<Readonly<{ client: HoldingClient; queue: Queue }>> {
    const client = new HoldingClient(server?.url ?? "");
    const options = { logger: silentLogger, prefix: `test:${randomUUID()}`, commandTimeout: "2s" } as const;
    const queue = redisQueue(client, options);
    closers.push(async () => {
      await queue.close();
      client.disconnect();
    });
    await queue.open();
    return { client, queue };
  }

  it.each([
    ["ready", {}],
    ["prio", { priority: 5 }],
    ["delayed", { delay: "1h" }],
  ] as const)("clear of what is %s removes no job that was pushed later", async (line, options) => {
    const { client, queue } = await opened();
    await queue.push(createJob("before", options));
    // So that the server knows the script.
    await queue.push(createJob("elsewhere", { ...options, queue: "other" }));
    expect(await queue.clear("other")).toBe(1);
    client.holdNext(line);
    expect(await rejection(queue.clear("default"))).toMatchObject({ code: "UNAVAILABLE" });
    expect(await queue.clear("default")).toBe(1);
    await queue.push(createJob("after", options));
    await client.arrive();
    expect(await queue.size("default")).toBe(1);
    expect(await queue.clear("default")).toBe(1);
  });

  it.each([
    ["prio", { priority: 5 }, { priority: 9 }],
    ["delayed", { delay: "2h" }, { delay: "1h" }],
  ] as const)(
    "clear of what is %s removes all that was there, also behind jobs that are pushed while it is on its way",
    async (line, old, newer) => {
      const { client, queue } = await opened();
      await queue.pushBatch(Array.from({ length: 10 }, (_, n) => createJob(n, old)));
      client.doBefore(line, () => queue.pushBatch(Array.from({ length: 5 }, (_, n) => createJob(n, newer))));
      expect(await queue.clear("default")).toBe(10);
      expect(await queue.size("default")).toBe(5);
    },
  );

  it("pause does not undo the resume behind it, nor the other way round", async () => {
    const { client, queue } = await opened();
    await queue.push(createJob(1));
    client.holdNext("default");
    const given = rejection(queue.pause("default"));
    expect(await given).toMatchObject({ code: "UNAVAILABLE" });
    await queue.resume("default");
    await client.arrive();
    const popped = await queue.pop();
    expect(popped?.payload).toBe(1);
    await popped?.release();
    client.holdNext("default");
    expect(await rejection(queue.resume("default"))).toMatchObject({ code: "UNAVAILABLE" });
    await queue.pause("default");
    await client.arrive();
    expect(await queue.pop()).toBeUndefined();
  });

  it("remove takes away no job that was retried, or pushed again under its id, meanwhile", async () => {
    const { client, queue } = await opened();
    for (const id of ["retried", "again"]) await queue.push(createJob(id, { id, maxAttempts: 1 }));
    for (const job of await queue.popBatch(2)) await job.fail(new Error("no"));
    client.holdNext("remove");
    expect(await rejection(queue.records.remove(["retried", "again"]))).toMatchObject({ code: "UNAVAILABLE" });
    expect(await queue.records.retry(["retried"])).toBe(1);
    expect(await queue.records.remove(["again"])).toBe(1);
    await queue.push(createJob("again", { id: "again" }));
    await client.arrive();
    expect((await queue.popBatch(2)).map(({ id }) => id).toSorted()).toEqual(["again", "retried"]);
  });
});
