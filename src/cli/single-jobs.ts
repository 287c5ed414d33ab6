import { JobferryError, type Queue, type Records } from "../entry/index.ts";

/** Looks at single jobs. @throws UNSUPPORTED, with what can be done instead, on a broker without --records. */
export function singleJobs(queue: Queue): Records {
  if (queue.capabilities.records !== false) return queue.records;
  throw new JobferryError(
    "UNSUPPORTED",
    'This backend only counts its jobs ("jobferry stats") and cannot look up single ones. Failed jobs as a whole: "jobferry retry --all" or "jobferry flush", both also with --queue. To see them one by one, let workers and this command keep them elsewhere: --records sqlite:./failed.db (or JOBFERRY_RECORDS).',
  );
}
