import type { Job } from "jobferry";

export default async (job: Job): Promise<number> => (job.payload as { readonly n: number }).n * 2;
