import { isJobferryError, type Job, type WorkerEvents } from "../../entry/index.ts";
import type { Terminal } from "../terminal.ts";
import { oneLine } from "../tables.ts";
import { relative } from "../times.ts";

type Events = WorkerEvents<Job>;
type Listen = <K extends keyof Events>(event: K, listener: (value: Events[K]) => unknown) => unknown;

export type WorkCounts = { completed: number; failedAttempts: number; dead: number; lost: number };

const MAX_MESSAGE = 300;

/**
 * One line on stderr for what did not go well (with --verbose also for what did), and counts of everything. Errors outside of jobs are the queue's
 * log's: it does not repeat a line all the time while the store is away.
 */
export class WorkLog {
  readonly #terminal: Terminal;
  readonly #verbose: boolean;
  readonly #records: boolean;
  readonly counts: WorkCounts = { completed: 0, failedAttempts: 0, dead: 0, lost: 0 };

  /** `records`: whether a single job can be looked up later. */
  constructor(terminal: Terminal, { verbose, records }: Readonly<{ verbose: boolean; records: boolean }>) {
    this.#terminal = terminal;
    this.#records = records;
    this.#verbose = verbose;
  }

  listen(on: Listen): void {
    on("completed", ({ job }) => {
      this.counts.completed += 1;
      if (this.#verbose) this.#line("completed", job, `attempt ${job.attempts}`);
    });
    on("failed", ({ job, error, willRetry, retryAt }) => {
      this.counts.failedAttempts += 1;
      const next = willRetry ? `next attempt ${relative(retryAt, Date.now())}` : "no further attempt";
      this.#line("failed", job, `attempt ${job.attempts}: ${textOf(error)}; ${next}`);
    });
    on("dead", ({ job, error }) => {
      this.counts.dead += 1;
      const look = this.#records ? `see "jobferry failed ${job.id}"` : '"jobferry retry --all" brings failed jobs back';
      this.#line("dead", job, `${textOf(error)}; ${look}`);
    });
    on("lost", ({ job }) => {
      this.counts.lost += 1;
      this.#line("lost", job, "its lease is gone; another worker may run it");
    });
    on("stuck", ({ job }) => this.#line("stuck", job, "its handler ignores its signal and keeps its slot"));
    on("unknown", ({ job }) => this.#line("unknown", job, "no route has its name; handed back"));
  }

  #line(event: string, job: Job, text: string): void {
    const { id, name, queue, attempts } = job;
    const shown = `${event} ${oneLine(name, 60)} ${oneLine(id, 60)} in ${oneLine(queue, 60)}: ${text}`;
    const level = event === "completed" ? "info" : "warning";
    this.#terminal.note(this.#terminal.json ? text : shown, { event, id, name, queue, attempts }, level);
  }
}

function textOf(error: Error): string {
  const code = isJobferryError(error) ? `${error.code} ` : "";
  return `${code}${oneLine(messageOf(error), MAX_MESSAGE)}`;
}

/** Handlers throw anything. */
function messageOf(error: Readonly<{ message: unknown }>): string {
  try {
    return String(error.message);
  } catch {
    return "an error whose message cannot be shown";
  }
}
