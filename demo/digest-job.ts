// The job that the pushing process and the handlers share.
import { defineJob, typed } from "jobferry";

/** `pid` tells the process that did it. */
export type Digest = Readonly<{ sha256: string; bytes: number; compressed: number; pid: number }>;

/** The same each time: a server keeps the name of a queue for ever, and a broker the queue itself. */
export const QUEUE = "jobferry-demo";

export const MAX_ATTEMPTS = 3;

export const digestJob = defineJob({
  name: "digest",
  payload: typed<{ path: string }>(),
  queue: QUEUE,
  maxAttempts: MAX_ATTEMPTS,
  backoff: ["200ms", "500ms"],
  timeout: "1m",
});
