import { afterEach, describe, expect, test, vi } from "vitest";
import { createJob, Queue, QueueManager } from "../../../src/core/index.ts";
import { createQueue, getStats, init, memoryQueue, pop, push, pushTo, queues } from "../../../src/entry/index.ts";
import { codeOf, errorOf } from "./stage.ts";

afterEach(async () => {
  await queues.close();
  queues.setDefaultQueue("default");
});

describe("the top-level functions", () => {
  test("need init() or extend() first, and say so", async () => {
    for (const act of [() => push(createJob(1)), () => pop(), () => getStats()]) {
      const error = await errorOf(act);
      expect(error).toMatchObject({ code: "NO_DEFAULT_QUEUE" });
      expect(error.message).toContain(
        'no queue is registered. Call init() for a memory queue, or queues.extend("default", queue)',
      );
    }
  });

  test("work on the default queue after init(), which registers once", async () => {
    expect(init()).toBe(queues);
    const queue = queues.queue();
    init();
    expect(queues.queue()).toBe(queue);
    const job = await push(createJob({ a: 1 }));
    expect(await getStats()).toMatchObject({ totalJobs: 1, pendingJobs: 1 });
    const popped = await pop();
    expect(popped).toMatchObject({ id: job.id, payload: { a: 1 } });
    await popped?.delete();
    expect(await getStats("default")).toMatchObject({ completedJobs: 1 });
  });

  test("init() takes no registered queue's place", async () => {
    const mine = memoryQueue();
    queues.extend("default", mine);
    init();
    expect(queues.queue()).toBe(mine);
  });

  test("pushTo names a connection and keeps the job's own queue", async () => {
    init();
    const reports = memoryQueue();
    queues.extend("reports-db", reports);
    const job = await pushTo("reports-db", createJob(1, { queue: "daily" }));
    expect(job.queue).toBe("daily");
    expect(await reports.size("daily")).toBe(1);
    expect((await getStats()).totalJobs).toBe(0);
  });

  test("an unknown connection lists the known ones and the nearest", async () => {
    init();
    queues.extend("reports", memoryQueue());
    const error = await errorOf(pushTo("report", createJob(1)));
    expect(error).toMatchObject({ code: "QUEUE_UNKNOWN" });
    expect(error.message).toBe('No queue is registered as "report". Did you mean "reports"? Known: default, reports.');
    expect(await codeOf(pushTo(undefined as unknown as string, createJob(1)))).toBe("INVALID_ARGUMENT");
  });
});

describe("a manager of one's own", () => {
  test("has its own queues, its own default, and closes each once", async () => {
    const manager = new QueueManager();
    expect((await errorOf(() => manager.queue("x"))).message).toBe(
      'No queue is registered as "x". None is registered; call queues.extend(name, queue).',
    );
    const queue = memoryQueue();
    expect(manager.extend("a", queue).extend("b", queue).setDefaultQueue("b")).toBe(manager);
    expect(manager.queue()).toBe(queue);
    await manager.push(createJob(1));
    expect((await manager.getStats()).pendingJobs).toBe(1);
    expect(manager.has("a")).toBe(true);
    await manager.close();
    expect(await codeOf(queue.push(createJob(1)))).toBe("CLOSED");
    expect(await codeOf(manager.push(createJob(1)))).toBe("NO_DEFAULT_QUEUE");
    expect(manager.has("a")).toBe(false);
  });

  test("a default that is not registered says which", async () => {
    const manager = new QueueManager().extend("a", memoryQueue()).setDefaultQueue("b");
    expect((await errorOf(manager.pop())).message).toContain('no queue is registered as "b". Call init()');
  });

  test("refuses what is no queue and no name", () => {
    const manager = new QueueManager();
    expect(() => manager.extend("a", undefined as unknown as Queue)).toThrow("queue is undefined; it must be a queue");
    expect(() => manager.extend("a", {} as Queue)).toThrow("must be a queue, e.g. memoryQueue()");
    expect(() => manager.extend("", memoryQueue())).toThrow("name is");
    expect(() => manager.setDefaultQueue(" ")).toThrow("name is");
  });

  test("closes all although one fails, and tells that", async () => {
    const good = memoryQueue();
    await good.open();
    const broken = memoryQueue();
    broken.close = async () => Promise.reject(new Error("half open"));
    const manager = new QueueManager().extend("broken", broken).extend("good", good);
    expect((await errorOf(manager.close())).message).toBe("half open");
    expect(await codeOf(good.push(createJob(1)))).toBe("CLOSED");
  });
});

describe("createQueue", () => {
  test("gives an open memory queue, in any case", async () => {
    for (const url of ["memory:", "MEMORY:"]) {
      await using queue = await createQueue(url);
      expect(queue.capabilities.durability).toBe("process");
    }
  });

  test("closes what it opened when it does not hand it over", async () => {
    const close = vi.spyOn(Queue.prototype, "close");
    expect(await codeOf(createQueue("memory:", { durability: "power" }))).toBe("UNSUPPORTED");
    expect(close).toHaveBeenCalledOnce();
    close.mockRestore();
  });

  test.each([
    ["memry:", 'The URL\'s scheme "memry:" is not known. Did you mean "memory:"? Known: memory:'],
    ["memory", "The URL has no scheme."],
    ["", "The URL has no scheme."],
    [undefined, "The URL has no scheme."],
    [7, "The URL has no scheme."],
    ["://x", "The URL has no scheme."],
    ["memory:jobs", "A memory queue has no name or place"],
    ["sqlite://jobs.db", "Write sqlite:./jobs.db"],
    ["sqlite://host/jobs.db", "Write sqlite:./jobs.db"],
    ["sqlite:./jobs.db?durability=power", "takes no options"],
    ["sqlite:./jobs.db#x", "takes no options"],
  ])("%o is refused", async (url, says) => {
    const error = await errorOf(createQueue(url as string));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(error.message).toContain(says);
  });

  test.each([
    "mongodb://admin:s3cret@host/db",
    "s3cret@host:6379",
    "admin:s3cret@host",
    "postgres//admin:s3cret@host",
    "x-s3cret-and-a-very-long-one-that-goes-on-and-on@host:1",
    "memory:s3cret",
    "sqlite://ann:s3cret@/jobs.db",
    "sqlite:./jobs.db?password=s3cret",
  ])("no secret of %s is printed", async (url) => {
    const error = await errorOf(createQueue(url));
    expect(error.message).not.toContain("s3cret");
    expect(error.cause).toBeUndefined();
  });

  test.each([
    ["memory:", { prefix: "a" }],
    ["sqlite::memory:", { maxBacklog: 5 }],
    ["postgres://h/db", { prefix: "a" }],
    ["amqp://h", { sessionTtl: "5s" }],
    ["redis://h", { maxBacklog: 5 }],
    ["etcd://h", { partitions: 2 }],
    ["consul://h", { replicas: 2 }],
    ["zookeeper://h", { prefix: "a" }],
  ] as const)("%s refuses %o, which belongs to other stores", async (url, options) => {
    const [name = ""] = Object.keys(options);
    const error = await errorOf(createQueue(url, options));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(error.message).toContain(`has no option "${name}"`);
  });

  test("checks the options of the queue", async () => {
    expect((await errorOf(createQueue("memory:", { laese: 1 } as object))).message).toContain('Did you mean "lease"?');
    expect(() => memoryQueue({ copi: true } as object)).toThrow('Did you mean "copy"?');
    expect(() => memoryQueue({ copy: "no" } as object)).toThrow('copy is "no"; it must be true or false');
  });
});
