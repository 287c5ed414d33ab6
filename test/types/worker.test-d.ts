// Compiled by `npm run types`, never run: what must not compile carries a @ts-expect-error.
import { defineJob, type Job, type JobferryError, type Queue, typed, Worker } from "jobferry";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function isTrue<_T extends true>(): void {}
declare const queue: Queue;
declare const withTransactions: Queue<{ sql: string }>;

const mail = defineJob({ name: "mail", payload: typed<{ to: string }>() });
const report = defineJob({ name: "report", payload: typed<{ day: number }>() });

// Routes: the events' jobs are the union of what the routes take, told apart by name.
const routed = new Worker(queue, ["a", "b"], [mail.handle((job) => job.payload.to), report.handle(() => 3)], {
  onFailed: ({ job }) => job.name,
});
routed.on("completed", ({ job, result }) => {
  isTrue<Equal<typeof job, Job<{ to: string }, "mail"> | Job<{ day: number }, "report">>>();
  isTrue<Equal<typeof result, unknown>>();
  if (job.name === "mail") isTrue<Equal<typeof job.payload, { to: string }>>();
  else isTrue<Equal<typeof job.payload, { day: number }>>();
});
routed.on("failed", ({ error, willRetry, retryAt }) => {
  isTrue<Equal<typeof error, Error>>();
  isTrue<Equal<typeof willRetry, boolean>>();
  isTrue<Equal<typeof retryAt, number | undefined>>();
});
routed.on("error", ({ error }) => isTrue<Equal<typeof error, JobferryError>>());
routed.once("dead", ({ job }) => isTrue<Equal<typeof job, Job>>()).off("stuck", () => undefined);
// @ts-expect-error no such event
routed.on("done", () => undefined);
// @ts-expect-error no such field
routed.on("completed", ({ value }) => value);

// One function: the payload is unknown.
const single = new Worker(withTransactions, "a", (job) => {
  isTrue<Equal<typeof job, Job>>();
});
single.on("completed", ({ job }) => isTrue<Equal<typeof job, Job>>());

// Options.
new Worker(queue, { a: 3, b: 1 }, () => 1, {
  backoff: (attempt, error) => (error.name === "x" ? attempt : "5s"),
  lease: "1m",
});
// @ts-expect-error weights are numbers
new Worker(queue, { a: "3" }, () => 1);
// @ts-expect-error no such option
new Worker(queue, "a", () => 1, { concurency: 3 });
// @ts-expect-error maxLosses travels with the job or is the queue's
new Worker(queue, "a", () => 1, { maxLosses: 3 });
// @ts-expect-error a route of another shape
new Worker(queue, "a", [{ name: "mail", run: () => 1 }]);
// @ts-expect-error a route for something else than jobs
new Worker(queue, "a", [{ name: "mail", handler: (text: string, more: number) => text + more }]);
