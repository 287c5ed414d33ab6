/** For your own tests: time that you move, a queue on it, and handlers without a store. */
export {
  type AttemptOutcome,
  drain,
  type DrainOptions,
  runJob,
  type RunJobOptions,
  testQueue,
  type TestQueue,
} from "../testing/run-job.ts";
export { virtualClock, type VirtualClock, type VirtualClockOptions } from "../testing/virtual-clock.ts";
