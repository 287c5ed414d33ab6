/** What users of one of these stores do, through its entry. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import {
  type Cluster,
  createJob,
  type Duration,
  createQueue,
  DistributedQueue,
  type NewJob,
  type Queue,
  type QueueOptions,
  Worker,
} from "jobferry";
import type { RunningServer } from "../../scripts/servers/server.ts";
import type { ServerName } from "../../scripts/servers/registry.ts";
import type { Durability } from "../../src/contract/index.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { sharedServer } from "../servers/shared-server.ts";

export type Entry = Readonly<{
  url: string;
  /** By the factory. `place`: a prefix or root. */
  queue(
    place: string,
    options: QueueOptions & Readonly<{ maxBacklog?: number; maxBacklogBytes?: number; sessionTtl?: Duration }>,
  ): Queue;
  cluster(place: string): Cluster;
}>;

/** What a queue says that its pushes survive, by what its servers tell. `quorum`: three of them. */
export function provesDurability(name: ServerName, survives: Durability, at: (url: string) => Queue): void {
  test(`pushes to ${name} survive: ${survives}`, async () => {
    const queue = await at((await sharedServer(name))?.url ?? "").open();
    expect(queue.capabilities.durability).toBe(survives);
    await queue.close();
  });
}

/** The servers take no session of 10 s, the queue's default: who asked for none takes what they do give. */
export function provesOtherSessions(
  name: ServerName,
  start: () => Promise<RunningServer>,
  at: (url: string, options: QueueOptions & Readonly<{ sessionTtl?: Duration }>) => Queue,
): void {
  test(`a queue on ${name} whose servers take no session of 10 s`, async () => {
    await using server = await start();
    await using queue = await at(server.url, { logger: silentLogger }).open();
    await queue.push(createJob("one"));
    await (await queue.pop({ wait: "5s" }))?.complete();
    expect(await queue.getStats()).toMatchObject({ completedJobs: 1, pendingJobs: 0, reservedJobs: 0 });
    await using byUrl = await createQueue(server.url, { logger: silentLogger });
    expect(await byUrl.queues()).toEqual([]);
    const asked = at(server.url, { logger: silentLogger, sessionTtl: "10s" });
    await expect(asked.open()).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("sessionTtl of a queue") as unknown,
    });
    await asked.close();
  });
}

export function provesEntry({ url, queue: make, cluster: node }: Entry): void {
  const place = (): string => `test-${randomUUID()}`;

  test("createQueue by URL pushes and pops", async () => {
    const queue = await createQueue(url, { logger: silentLogger });
    const name = place();
    await queue.push(createJob({ n: 1 }, { queue: name }));
    const job = await queue.pop({ queue: name, wait: "5s" });
    expect(job?.payload).toEqual({ n: 1 });
    await job?.complete();
    await queue.close();
  });

  test("a connection that has just been opened finds jobs whose delay is over, at its first look", async () => {
    const at = place();
    const first = make(at, { logger: silentLogger });
    await first.push(createJob("due", { delay: "1s" }));
    await first.close();
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    for (const round of [1, 2]) {
      await using later = make(at, { logger: silentLogger });
      const job = await later.pop();
      expect(job?.payload, `round ${round}`).toBe("due");
      await job?.release();
    }
    await using runs = make(at, { logger: silentLogger });
    await (await runs.pop())?.release("1s");
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    const ran: unknown[] = [];
    await using worked = make(at, { logger: silentLogger });
    await new Worker(worked, "default", ({ payload }) => void ran.push(payload), { stopWhenEmpty: true }).run();
    expect(ran).toEqual(["due"]);
  });

  test("a full backlog refuses a push with a clear error, and takes it when workers have caught up", async () => {
    const queue = make(place(), { maxBacklog: 2, pushTimeout: "3s", logger: silentLogger });
    await queue.pushBatch([createJob(1), createJob(2)]);
    await expect(queue.push(createJob(3))).rejects.toMatchObject({
      code: "STORE_FULL",
      retryable: true,
      message: expect.stringContaining("maxBacklog") as unknown,
    });
    await (await queue.pop())?.complete();
    await queue.push(createJob(4));
    await queue.close();
  });

  test("a backlog that is full by its bytes does the same, and the capabilities say how much may wait", async () => {
    const queue = make(place(), { maxBacklogBytes: 100_000, pushTimeout: "3s", logger: silentLogger });
    const large = (): NewJob => createJob("x".repeat(60_000));
    await queue.pushBatch([large(), large()]);
    expect(queue.capabilities.backlog).toEqual({ maxJobs: 10_000, maxBytes: 100_000 });
    await expect(queue.push(large())).rejects.toMatchObject({
      code: "STORE_FULL",
      retryable: true,
      message: expect.stringMatching(/12\d{4} bytes wait.*maxBacklogBytes/) as unknown,
    });
    await (await queue.pop())?.complete();
    await queue.push(large());
    await queue.close();
  });

  test("a session that the store cannot give is refused at construction", () => {
    expect(() => make(place(), { sessionTtl: "1ms" })).toThrow(/sessionTtl is 1; it must be from/);
    expect(() => make(place(), { maxBacklogs: 1 } as QueueOptions)).toThrow(/Did you mean "maxBacklog"/);
  });

  test("a DistributedQueue keeps its jobs in its cluster's store", async () => {
    const ran: unknown[] = [];
    const distributed = new DistributedQueue({
      ...{ nodeId: "a", cluster: node(place()) },
      handler: (job: Readonly<{ payload: unknown }>) => void ran.push(job.payload),
    });
    await distributed.start();
    await distributed.push(createJob("hello"));
    await expect.poll(() => ran, { timeout: 20_000 }).toEqual(["hello"]);
    await distributed.stop();
  });
}
