import { extname } from "node:path";
import type { NewJob, Queue } from "jobferry";
import { digestJob } from "./digest-job.ts";
import type { FoundFile } from "./walk.ts";

const BATCH = 1_000;
const ABOUT_SO_MANY_DELAYED = 10;

/** Pushes a job for each file. Large ones come first, so that none of them is left over when everything else is done. */
export async function pushFiles(
  queue: Queue,
  files: readonly FoundFile[],
): Promise<Readonly<{ ms: number; delayed: number }>> {
  const start = performance.now();
  const every = Math.ceil(files.length / ABOUT_SO_MANY_DELAYED);
  const { support, max } = queue.capabilities.priority;
  const priorities = support !== "unsupported";
  const ordered = priorities ? files : files.toSorted((a, b) => b.size - a.size); // else the order of the pushes does it
  const jobs = ordered.map((file, i) => jobFor(file, i % every === 0, priorities ? max : 0));
  for (let i = 0; i < jobs.length; i += BATCH) await queue.pushBatch(jobs.slice(i, i + BATCH));
  return { ms: performance.now() - start, delayed: jobs.filter((job) => job.delay > 0).length };
}

function jobFor({ path, size }: FoundFile, delayed: boolean, maxPriority: number): NewJob {
  const priority = Math.min(Math.floor(Math.log10(size + 1)), maxPriority); // the number of digits
  const tags = { extension: extname(path).slice(1) || "none" };
  return digestJob.create({ path }, { priority, tags, ...(delayed ? { delay: "2s" } : {}) });
}
