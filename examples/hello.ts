// From nothing to a processed job, with a file as the only infrastructure.
// #region hello
import { defineJob, typed, Worker } from "jobferry";
import { sqliteQueue } from "jobferry/sqlite";

const queue = sqliteQueue("jobs.db"); // one file, no server

const welcome = defineJob({
  name: "welcome",
  payload: typed<{ to: string }>(),
  queue: "mail",
  maxAttempts: 5,
  backoff: { base: "1s", max: "1m", jitter: 0.2 },
});

await queue.push(welcome.create({ to: "ada@example.com" }));
await queue.push(welcome.create({ to: "bob@example.com" }, { priority: 10 }));

const send = welcome.handle((job) => console.log(`Welcome, ${job.payload.to}!`));
const worker = new Worker(queue, "mail", [send], { stopWhenEmpty: true });
await worker.run();
await queue.close();
// #endregion hello
