// A paused queue takes jobs and gives none, to any process, until it is resumed. A paused worker only stops itself.
// #region pausing
import { createJob, createQueue } from "jobferry";

const queue = await createQueue(process.env["JOBFERRY_URL"] ?? "memory:");
await queue.pause("mail"); // also survives a restart, on a durable backend
await queue.push(createJob("letter", { queue: "mail" }));

console.log("paused:", (await queue.pop({ queue: "mail" }))?.payload);
await queue.resume("mail");
console.log("resumed:", (await queue.pop({ queue: "mail" }))?.payload);
// #endregion pausing
await queue.close();
