// A job type: its name, its payload and its defaults in one place, checked from the push to the handler.
// #region email
import { createQueue, defineJob, typed, Worker } from "jobferry";

type Email = Readonly<{ to: string; subject: string; body: string }>;

const email = defineJob({
  name: "email",
  payload: typed<Email>(), // checked by the compiler; a schema checks at run time too
  queue: "mail",
  maxAttempts: 5,
  timeout: "10s",
  backoff: { base: "2s", max: "5m", jitter: 0.2 },
});

const queue = await createQueue(process.env["JOBFERRY_URL"] ?? "memory:");
await queue.push(email.create({ to: "ada@example.com", subject: "Hello", body: "..." }));
await queue.push(email.create({ to: "bob@example.com", subject: "Urgent", body: "..." }, { priority: 10 }));
// email.create({ to: "eve@example.com" })  does not compile: subject and body are missing

const send = email.handle(async (job, { signal }) => {
  signal.throwIfAborted(); // time-out, shutdown or a lost lease
  return deliver(job.payload);
});

const worker = new Worker(queue, "mail", [send], { stopWhenEmpty: true });
worker.on("completed", ({ job, result }) => console.log(job.payload.subject, "to", job.payload.to, result));
await worker.run();
// #endregion email
await queue.close();

async function deliver(mail: Email): Promise<string> {
  return `was accepted by ${mail.to.split("@")[1]}`;
}
