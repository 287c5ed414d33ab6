// Compiled against the packed declarations, with no @types/node and no peer installed.
import { createJob, defineJob, memoryQueue, typed, Worker, type Job } from "jobferry";
import { isJobferryError, type Driver } from "jobferry/driver";
import { conformanceSuite } from "jobferry/conformance";
import { postgresQueue } from "jobferry/postgres";
import { sqliteQueue } from "jobferry/sqlite";
import { runJob } from "jobferry/testing";

export const mail = defineJob({ name: "mail", payload: typed<{ to: string }>() });
export const worker = new Worker(memoryQueue(), "default", [mail.handle((job) => job.payload.to.length)]);
worker.on("completed", ({ job }) => job.payload.to.toUpperCase());
export const shown = (job: Job): string => job.id;
export const uses = { createJob, isJobferryError, conformanceSuite, postgresQueue, sqliteQueue, runJob };
export type Backend = Driver;
// @ts-expect-error the declarations are real: a payload of the wrong type is refused
mail.create({ to: 1 });
// @ts-expect-error memory has no transactions
void memoryQueue().push(createJob(1), { transaction: {} });
