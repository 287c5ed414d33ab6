import { type } from "arktype";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { Driver } from "../../../src/contract/index.ts";
import { createJob, defineJob, type Job, type JobContext, type JobDefinition, typed } from "../../../src/core/index.ts";
import { isPermanent } from "../../../src/errors/index.ts";
import { memoryDriver } from "../../../src/drivers/memory/memory-driver.ts";
import { FakeDriver } from "./fake-driver.ts";
import { codeOf, errorOf, popOne, stageOn } from "./stage.ts";

type In = { to: string; count: string };
type Out = { to: string; count: number };

/** The same job in three libraries: a text that becomes a number. */
const DEFINITIONS: Readonly<Record<string, JobDefinition<"mail", In, Out>>> = {
  zod: defineJob({
    name: "mail",
    queue: "out",
    payload: z.object({ to: z.string(), count: z.string().regex(/^\d+$/).transform(Number) }),
  }),
  "zod, async": defineJob({
    name: "mail",
    queue: "out",
    payload: z.object({
      to: z.string(),
      count: z
        .string()
        .refine(async (text) => /^\d+$/.test(text))
        .transform(Number),
    }),
  }),
  valibot: defineJob({
    name: "mail",
    queue: "out",
    payload: v.object({ to: v.string(), count: v.pipe(v.string(), v.digits(), v.transform(Number)) }),
  }),
  "valibot, async": defineJob({
    name: "mail",
    queue: "out",
    payload: v.objectAsync({
      to: v.string(),
      count: v.pipeAsync(
        v.string(),
        v.checkAsync(async (text) => /^\d+$/.test(text)),
        v.transform(Number),
      ),
    }),
  }),
  arktype: defineJob({ name: "mail", queue: "out", payload: type({ to: "string", count: "string.numeric.parse" }) }),
};

const context = {} as JobContext;

describe.each(Object.entries(DEFINITIONS))("%s", (_, mail) => {
  test("what fits is pushed as it was given, and read and handled as the schema puts it out", async () => {
    const { queue } = stageOn(new FakeDriver());
    await queue.push(mail.create({ to: "me", count: "3" }));
    const popped = await popOne(queue, { queue: "out" });
    expect(popped.payload).toEqual({ to: "me", count: "3" });
    const read = await mail.read(popped);
    expect(read.payload).toEqual({ to: "me", count: 3 });
    expect(read).toMatchObject({ id: popped.id, name: "mail", attempts: 1 });
    const route = mail.handle((job) => job.payload.count + 1);
    expect(await route.handler(popped as unknown as Job<Out, "mail">, context)).toBe(4);
    await read.complete();
    expect(await codeOf(popped.complete())).toBe("LEASE_LOST");
  });

  test("what does not fit is refused at the push, with the place, and nothing is stored", async () => {
    const { driver, queue } = stageOn(new FakeDriver());
    const bad = mail.create({ to: "me", count: "x" });
    const error = await errorOf(queue.push(bad));
    expect(error).toMatchObject({ code: "PAYLOAD_INVALID" });
    expect(error.message).toMatch(/^The payload of job "mail" does not fit its schema: count/);
    expect(error.cause).toBeInstanceOf(Array);
    expect(await codeOf(queue.pushBatch([mail.create({ to: "me", count: "1" }), bad]))).toBe("PAYLOAD_INVALID");
    expect(driver.pushed).toEqual([]);
  });

  test("what does not fit at the handler is permanent, and no handler runs", async () => {
    const { queue } = stageOn(new FakeDriver());
    await queue.push(createJob({ to: 7 }, { name: "mail" }));
    const popped = await popOne(queue);
    const route = mail.handle(() => {
      throw new Error("it ran");
    });
    const error = await errorOf(async () => route.handler(popped as unknown as Job<Out, "mail">, context));
    expect(isPermanent(error)).toBe(true);
    expect(error.cause).toMatchObject({ code: "PAYLOAD_INVALID" });
    expect(await codeOf(mail.read(popped))).toBe("PAYLOAD_INVALID");
  });
});

test("read tells a job of another name", async () => {
  const { queue } = stageOn(new FakeDriver());
  await queue.push(createJob(1));
  const error = await errorOf(DEFINITIONS["zod"]?.read(await popOne(queue)) ?? Promise.resolve());
  expect(error.message).toContain('is a "default", not a "mail"');
  expect(await codeOf(defineJob({ name: "default", payload: typed<number>() }).read(createJob(1) as never))).toBe(
    "INVALID_ARGUMENT",
  );
});

describe("an asynchronous schema", () => {
  const slow = z.object({ to: z.string().refine(async (text) => text.includes("@")) });
  const mail = defineJob({ name: "mail", payload: slow });

  const drivers = { bytes: () => new FakeDriver(), copies: () => memoryDriver() as Driver<string> };
  test.each(Object.entries(drivers))(
    "what the caller changes while it is asked counts in nothing: %s",
    async (_, make) => {
      const { queue } = stageOn(make());
      await queue.open();
      for (let round = 0; round < 2; round += 1) {
        const payload = { to: "a@b" };
        const pushing = queue.push(mail.create(payload));
        payload.to = "nobody";
        await pushing;
        expect((await popOne(queue)).payload).toEqual({ to: "a@b" });
        const late = { to: "nobody" };
        const refused = codeOf(queue.push(mail.create(late)));
        late.to = "a@b";
        expect(await refused).toBe("PAYLOAD_INVALID");
      }
    },
  );

  test("of a batch no payload changes between its check and its storage", async () => {
    const { queue } = stageOn(new FakeDriver());
    const plain = defineJob({ name: "plain", payload: z.object({ to: z.string() }) });
    const first = { to: "a" as unknown as string };
    const pushing = queue.pushBatch([plain.create(first), mail.create({ to: "a@b" }), mail.create({ to: "c@d" })]);
    await queue.open();
    first.to = 7 as unknown as string;
    await pushing;
    expect((await popOne(queue)).payload).toEqual({ to: "a" });
  });

  test("copy false hands the value itself over, whatever it is by then", async () => {
    const { queue } = stageOn(memoryDriver({ copy: false }) as Driver<string>);
    const payload = { to: "a@b" };
    await queue.push(mail.create(payload));
    expect((await popOne(queue)).payload).toBe(payload);
  });
});

test("a schema that breaks is no statement about the payload: told at the push, tried again at the handler", async () => {
  const { queue } = stageOn(new FakeDriver());
  const broken = (validate: () => never): JobDefinition<"x", unknown, unknown> =>
    defineJob({ name: "x", payload: { "~standard": { version: 1, vendor: "test", validate } } });
  const cause = new Error("directory is away");
  const ways = [
    broken(() => {
      throw cause;
    }),
    broken((() => Promise.reject(cause)) as () => never),
  ];
  for (const definition of ways) {
    expect(await errorOf(queue.push(definition.create(1)))).toMatchObject({ code: "UNEXPECTED", cause });
    await queue.push(createJob(1, { name: "x" }));
    const popped = await popOne(queue);
    const error = await errorOf(async () =>
      definition.handle(() => 1).handler(popped as unknown as Job<unknown, "x">, context),
    );
    expect(isPermanent(error)).toBe(false);
    await popped.complete();
  }
});

test("more issues than can be read are counted", async () => {
  const { queue } = stageOn(new FakeDriver());
  const definition = defineJob({ name: "x", payload: z.array(z.string()) });
  const error = await errorOf(queue.push(definition.create(Array.from({ length: 9 }, () => 1 as unknown as string))));
  expect(error.message).toMatch(/0: .+; 1: .+\(and 4 more\)\.$/);
});

test("a job starts with the definition's options, its own first", () => {
  const definition = defineJob({
    name: "x",
    payload: typed<number>(),
    queue: "a",
    priority: 3,
    maxAttempts: 7,
    tags: { t: "1" },
  });
  expect(definition.create(1)).toMatchObject({ name: "x", queue: "a", priority: 3, maxAttempts: 7, tags: { t: "1" } });
  expect(definition.create(1, { queue: "b", priority: 0 })).toMatchObject({ queue: "b", priority: 0, maxAttempts: 7 });
  expect(definition.create(1).id).not.toBe(definition.create(1).id);
  expect(definition.create(1, { id: "mine" }).id).toBe("mine");
});

test.each([
  [{ name: "", payload: typed<number>() }, "name is"],
  [{ name: "x" }, "payload is undefined; it must be a Standard Schema"],
  [{ name: "x", payload: { parse: (): number => 1 } }, "typed<T>() for types without a check"],
  [{ name: "x", payload: typed<number>(), maxAttempts: 0 }, "defineJob.maxAttempts is 0"],
  [
    { name: "x", payload: typed<number>(), foo: 1 },
    'defineJob has no option "foo". Known: name, payload, maxAttempts, maxLosses, maxExceptions, backoff, timeout, queue, delay, retryUntil, priority, tags, headers.',
  ],
  [{ name: "x", payload: typed<number>(), qeueu: "a" }, 'defineJob has no option "qeueu". Did you mean "queue"?'],
  [{ name: "x", payload: typed<number>(), id: "one" }, "each job has its own"],
  [undefined, "definition is undefined"],
])("a bad definition is refused where it is made: %#", (definition, says) => {
  expect(() => defineJob(definition as never)).toThrow(says);
});

test("a definition's jobs cannot be given another name", () => {
  const definition = defineJob({ name: "fixed", payload: typed<number>() });
  const options = { name: "other" } as object;
  expect(() => definition.create(1, options)).toThrow(
    expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining('all named "fixed"') }),
  );
  expect(definition.create(1, { priority: 2 }).name).toBe("fixed");
});
