// Compiled by `npm run types`, never run: what must not compile carries a @ts-expect-error.
import {
  createJob,
  createQueue,
  defineJob,
  type Encodable,
  type Filter,
  type Job,
  type JobDefinition,
  memoryQueue,
  type NewJob,
  type PushOptions,
  Queue,
  type ReservedJob,
  type Route,
  typed,
} from "jobferry";
import { z } from "zod";
import type { Driver } from "../../src/contract/index.ts";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function isTrue<_T extends true>(): void {}
declare const queue: Queue;

// What JSON carries, and bytes, are payloads; the type is kept.
isTrue<Equal<typeof plain.payload, { readonly a: 1; readonly list: readonly [1, "x", null] }>>();
const plain = createJob({ a: 1, list: [1, "x", null] });
createJob(new Uint8Array(3));
createJob(Buffer.from("x"));
createJob(undefined);
createJob("text");
createJob({ optional: undefined as string | undefined });
declare const unknownPayload: unknown;
createJob(unknownPayload);

// What JSON would change is refused where it stands.
// @ts-expect-error a Date
createJob(new Date());
// @ts-expect-error a Date inside
createJob({ at: new Date() });
// @ts-expect-error a Map inside
createJob({ deep: { er: new Map<string, number>() } });
// @ts-expect-error a Set in an array
createJob([new Set([1])]);
// @ts-expect-error a bigint
createJob(3n);
// @ts-expect-error a bigint inside
createJob({ n: [3n] });
// @ts-expect-error a function
createJob(() => 1);
// @ts-expect-error a method
createJob({ run: (): number => 1 });
// @ts-expect-error a symbol
createJob({ s: Symbol("s") });
// @ts-expect-error a promise that was not awaited
createJob({ later: Promise.resolve(1) });
// @ts-expect-error an expression
createJob(/x/);
isTrue<Equal<Encodable<{ a: Date }>, { a: never }>>();
isTrue<Equal<Encodable<string | number>, string | number>>();
isTrue<Equal<Encodable<{ a?: string }>, { a?: string }>>();

// Options and setters of a new job.
const job: NewJob<{ readonly a: 1 }> = createJob(
  { a: 1 },
  { delay: "5s", retryUntil: new Date(), backoff: { base: "1s" } },
);
job.delay = "2m";
job.delay = new Date();
job.timeout = undefined;
job.queue = "reports";
job.addTag("a", "b").addTag("c", "d");
isTrue<Equal<NewJob["delay"], number>>();
isTrue<Equal<NewJob["timeout"], number | undefined>>();
// @ts-expect-error no such unit
job.delay = "5y";
// @ts-expect-error not a number of a unit
createJob(1, { delay: "soon" });
// @ts-expect-error tags are texts
createJob(1, { tags: { a: 1 } });
// @ts-expect-error no such option
createJob(1, { maxAttemps: 3 });
// @ts-expect-error read only
job.id = "x";
// @ts-expect-error read only
job.payload = { a: 1 };
// @ts-expect-error the tags are frozen: addTag
job.tags["a"] = "b";

// From the name over the payload to the handler.
const mail = defineJob({
  name: "mail",
  queue: "out",
  payload: z.object({ to: z.string(), count: z.string().transform(Number) }),
});
isTrue<Equal<typeof mail, JobDefinition<"mail", { to: string; count: string }, { to: string; count: number }>>>();
isTrue<Equal<typeof mail.name, "mail">>();
const made = mail.create({ to: "me", count: "3" }, { priority: 3 });
isTrue<Equal<typeof made, NewJob<{ to: string; count: string }, "mail">>>();
const route = mail.handle((one, context) => {
  isTrue<Equal<typeof one, Job<{ to: string; count: number }, "mail">>>();
  isTrue<Equal<typeof context.signal, AbortSignal>>();
  return one.payload.count;
});
isTrue<Equal<typeof route, Route<{ to: string; count: number }, number, "mail">>>();
mail.handle((_, context) => context.retry({ in: "5s" }));
mail.handle(async (_, context) => context.snooze("5s"));
mail.handle((_, context) => (context.signal.aborted ? context.cancel("why") : 1));
// @ts-expect-error the input is a text
mail.create({ to: "me", count: 3 });
// @ts-expect-error the name is the definition's
mail.create({ to: "me", count: "3" }, { name: "other" });
// @ts-expect-error not a schema
defineJob({ name: "x", payload: { to: "string" } });
// @ts-expect-error each job has its own id
defineJob({ name: "x", payload: typed<number>(), id: "one" });
// @ts-expect-error outcomes are made by the context
mail.handle((_, context) => context.retry());
declare const reserved: ReservedJob;
const read = await mail.read(reserved);
isTrue<Equal<typeof read, ReservedJob<{ to: string; count: number }, "mail">>>();
isTrue<Equal<typeof reserved.payload, unknown>>();

const typedOnly = defineJob({ name: "t", payload: typed<{ at: string }>() });
typedOnly.create({ at: "2030" });
// @ts-expect-error a Date is not its type
typedOnly.create({ at: new Date() });
const notEncodable = defineJob({ name: "t", payload: typed<{ at: Date }>() });
// @ts-expect-error a typed payload must be encodable, too
notEncodable.create({ at: new Date() });

// A transaction only where the driver has one.
declare const plainDriver: Driver;
declare const sqlDriver: Driver<{ sql: string }>;
const sql = new Queue(sqlDriver);
isTrue<Equal<typeof sql, Queue<{ sql: string }>>>();
await sql.push(job, { transaction: { sql: "x" } });
await sql.pushBatch([job], { transaction: { sql: "x" }, signal: AbortSignal.timeout(1) });
const anyQueue: Queue = sql;
await new Queue(plainDriver).push(job, { signal: AbortSignal.timeout(1) });
// @ts-expect-error the plain queue has no transactions
await anyQueue.push(job, { transaction: { sql: "x" } });
// @ts-expect-error another handle
await sql.push(job, { transaction: 7 });
// @ts-expect-error a queue without transactions is none with
const withTransactions: Queue<{ sql: string }> = queue;
void withTransactions;
const none: PushOptions = {};
// @ts-expect-error never has no value
const some: PushOptions = { transaction: "x" };
void [none, some];

// Jobs of each kind go where they belong.
await queue.pushBatch(new Set([job, made]));
for (const one of await queue.popBatch(3)) await one.complete({ any: "result" });
await using popped = await queue.pop({ wait: "1s", lease: 5_000 });
await popped?.release("5s");
// @ts-expect-error may be undefined
await popped.complete();
declare const snapshot: Job;
// @ts-expect-error a pushed job cannot be pushed again
await queue.push(snapshot);
// @ts-expect-error a pushed job is not reserved
await queue.release(snapshot);
// @ts-expect-error frozen
snapshot.priority = 3;
// @ts-expect-error no such option
await queue.pop({ queues: ["a"] });
// @ts-expect-error no such option
memoryQueue({ visibilityTimeout: 3 });

// By URL: the options of every queue, and those of its store; the store refuses what it has no use for.
await createQueue("etcd://h", { prefix: "a", maxBacklog: 5, sessionTtl: "5s", lease: "1m" });
await createQueue("consul://h", { prefix: "a", maxBacklog: 5, maxBacklogBytes: 1_000_000 });
await createQueue("zookeeper://h/root", { maxBacklog: 5, sessionTtl: 5_000 });
await createQueue("redis://h", { prefix: "a", partitions: 2, replicas: 1 });
await createQueue("amqp://h", { prefix: "a" });
// @ts-expect-error no such option
await createQueue("etcd://h", { prefx: "a" });
// @ts-expect-error a number
await createQueue("etcd://h", { maxBacklog: "5" });

// Filters name states and texts only.
const filter: Filter = { state: "failed", tag: ["user", "7"], before: new Date() };
await queue.records.retry(filter);
await queue.records.retry(["id"]);
// @ts-expect-error no such state
const dead: Filter = { state: "dead" };
// @ts-expect-error a pair
const half: Filter = { tag: ["user"] };
// @ts-expect-error a Date
const millis: Filter = { before: 5 };
void [dead, half, millis];
