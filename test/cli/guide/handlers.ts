import type { Job, JobContext } from "jobferry";

export default async function handle(job: Job, { signal }: JobContext): Promise<string> {
  signal.throwIfAborted();
  if (job.name === "report") throw new Error("The report service is down.");
  return `${job.name} is done`;
}
