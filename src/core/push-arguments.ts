/** What a push takes. */
import { invalidArgument, JobferryError } from "../errors/index.ts";
import { checkOptions, checkSignal, type Duration } from "../runtime/index.ts";
import { type NewJob, UnsentJob } from "./new-job.ts";

export type PushOptions<Tx = never> = Readonly<{
  /** The caller's open transaction: the job exists when it commits. */
  transaction?: Tx;
  /** Before the push was sent it takes the job back; afterwards the job may be stored. */
  signal?: AbortSignal;
}>;

const PUSH_OPTIONS = ["transaction", "signal"];

export function checkPushOptions(options: object | undefined): void {
  if (options === undefined) return;
  checkOptions("push", options, PUSH_OPTIONS);
  checkSignal("signal", (options as Readonly<{ signal?: unknown }>).signal);
}

/** Without a delay, in JavaScript, a job that was meant for later would run at once. */
export function givenDelay(delay: Duration | Date | undefined): Duration | Date {
  if (delay !== undefined && delay !== null) return delay;
  throw invalidArgument("delay", delay, 'a duration (milliseconds or "5m") or a Date; push() takes a job without one');
}

export function iterated(jobs: Iterable<NewJob>): readonly NewJob[] {
  if (typeof jobs === "object" && jobs !== null && Symbol.iterator in jobs) return [...jobs];
  throw invalidArgument("jobs", jobs, "an array or another iterable of jobs made by createJob()");
}

export function unsentOf(job: NewJob): UnsentJob {
  if (job instanceof UnsentJob) return job;
  throw new JobferryError(
    "INVALID_ARGUMENT",
    "push takes a job made by createJob() or a definition's create(). A job that was pushed or popped cannot be pushed; make a new one.",
  );
}
