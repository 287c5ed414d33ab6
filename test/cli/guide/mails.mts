import type { Job } from "jobferry";

export default async function handle(job: Job): Promise<void> {
  console.log(`Sending ${job.name}:`, job.payload);
}
