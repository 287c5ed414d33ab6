// Several connections under names, and several queues on one connection.
// #region connections
import { createJob, memoryQueue, pop, push, pushTo, queues } from "jobferry";
import { sqliteQueue } from "jobferry/sqlite";

queues.extend("fast", memoryQueue()).extend("durable", sqliteQueue("durable.db"));
queues.setDefaultQueue("fast");

await push(createJob("resize", { queue: "images" })); // to the default connection
await pushTo("durable", createJob("invoice", { queue: "billing" })); // the job keeps its own queue

const image = await pop({ queue: "images" });
const invoice = await queues.queue("durable").pop({ queue: "billing" });
console.log("fast:", image?.payload);
console.log("durable:", invoice?.payload);
await image?.complete();
await invoice?.complete();

await pushTo("durabel", createJob("?")).catch((error) => console.log(error.message));
await queues.close();
// #endregion connections
