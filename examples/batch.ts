// Many jobs in one call: faster than one by one, and all are checked before any is stored.
// #region batch
import { BatchError, createJob, createQueue, isJobferryError } from "jobferry";

const queue = await createQueue(process.env["JOBFERRY_URL"] ?? "memory:");
const jobs = Array.from({ length: 1_000 }, (_, row) => createJob({ row }, { queue: "import" }));

try {
  const stored = await queue.pushBatch(jobs);
  console.log(`${stored.length} stored`);
} catch (error) {
  if (!(error instanceof BatchError)) throw error;
  await queue.pushBatch(error.unconfirmed); // safe: a job is stored once, by its id (RabbitMQ may store it twice)
}

const taken = await queue.popBatch(100, { queue: "import" });
await Promise.all(taken.map((job) => job.complete()));
console.log(`${taken.length} done, ${await queue.size("import")} left`);

const due: unknown = new Date(); // JSON would make a string of it, so it is refused
const mixed = [createJob({ row: 1 }, { queue: "import" }), createJob({ due }, { queue: "import" })];
const refused: unknown = await queue.pushBatch(mixed).catch((error: unknown) => error);
console.log(isJobferryError(refused) && refused.code, `and still ${await queue.size("import")} left`);
// #endregion batch
await queue.close();
