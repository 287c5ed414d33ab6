import { defineJob, typed } from "jobferry";

const email = defineJob({ name: "email", payload: typed<{ to: string }>() });
const report = defineJob({ name: "report", payload: typed<{ month: string }>() });

export default [
  email.handle((job) => console.log(`A mail to ${job.payload.to}`)),
  report.handle(async (job, { signal }) => {
    signal.throwIfAborted();
    return `The report of ${job.payload.month}`;
  }),
];
