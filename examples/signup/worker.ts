// #region worker
import { createQueue, Worker } from "jobferry";
import { signup } from "./jobs.ts";

const queue = await createQueue(process.env["JOBFERRY_URL"] ?? "sqlite:jobs.db");
const greet = signup.handle((job) => {
  const { email, plan } = job.payload; // typed; plan is never missing here
  console.log(`${email} joined on ${plan}`);
});

const worker = new Worker(queue, "signups", [greet], { stopWhenEmpty: true });
await worker.run();
await queue.close();
// #endregion worker
