import type { Clock } from "../../contract/index.ts";
import { JobferryError } from "../../errors/index.ts";

/** Of jobs that wait. */
export type Size = Readonly<{ jobs: number; bytes: number }>;

const READ_EVERY_MS = 1_000;
/** Or so many bytes of this process's own: about a batch, by which each process may go beyond the limit. */
const READ_EVERY_BYTES: number = 1024 * 1024;
const NOTHING: Size = { jobs: 0, bytes: 0 };

/** How much waits in the whole store, so that it is not filled: read at most every second or megabyte, and counted on by what this process pushes. */
export class Backlog {
  readonly #clock: Clock;
  readonly #max: Size;
  readonly #read: () => Promise<Size>;
  /** What the store told last. */
  #told: Size = NOTHING;
  /** Taken by this process, so far and when the store was asked: what was under way then the store did not tell. */
  #taken: Size = NOTHING;
  #takenThen: Size = NOTHING;
  #underWay: Size = NOTHING;
  #readAt = -Infinity;

  constructor(clock: Clock, max: Size, read: () => Promise<Size>) {
    this.#clock = clock;
    this.#max = max;
    this.#read = read;
  }

  /** Before jobs are offered. */
  async look(): Promise<void> {
    if (this.#max.jobs === Infinity && this.#max.bytes === Infinity) return;
    const isOld = this.#clock.monotonic() - this.#readAt >= READ_EVERY_MS;
    const hasMuch = this.#taken.bytes - this.#takenThen.bytes >= READ_EVERY_BYTES;
    if (!isOld && !hasMuch && !this.#isFull) return;
    this.#readAt = this.#clock.monotonic();
    const then = sum(this.#taken, this.#underWay, -1);
    this.#told = await this.#read();
    this.#takenThen = then;
  }

  /** Whether there is room for one more job. A job may reach beyond the limit, so that one that is larger than all of it is not refused for ever. */
  takes(bytes: number): boolean {
    if (this.#isFull) return false;
    const job = { jobs: 1, bytes };
    this.#taken = sum(this.#taken, job);
    this.#underWay = sum(this.#underWay, job);
    return true;
  }

  /** What became of a job that it took. */
  settled(bytes: number, isStored: boolean): void {
    const job = { jobs: 1, bytes };
    this.#underWay = sum(this.#underWay, job, -1);
    if (!isStored) this.#taken = sum(this.#taken, job, -1);
  }

  full(): JobferryError {
    const { jobs, bytes } = this.#waiting;
    const most = this.#max;
    const why =
      jobs >= most.jobs
        ? `${most.jobs} jobs wait already, as many as maxBacklog allows in this store. Let workers catch up and try again, raise maxBacklog`
        : `Jobs of ${bytes} bytes wait already; maxBacklogBytes allows ${most.bytes} in this store. Let workers catch up and try again, push references to what is large, raise maxBacklogBytes`;
    return new JobferryError("STORE_FULL", `${why}, or use a backend made for long queues.`, { retryable: true });
  }

  get #waiting(): Size {
    return sum(sum(this.#told, this.#taken), this.#takenThen, -1);
  }

  get #isFull(): boolean {
    const { jobs, bytes } = this.#waiting;
    return jobs >= this.#max.jobs || bytes >= this.#max.bytes;
  }
}

function sum(a: Size, b: Size, sign: 1 | -1 = 1): Size {
  return { jobs: a.jobs + sign * b.jobs, bytes: a.bytes + sign * b.bytes };
}
