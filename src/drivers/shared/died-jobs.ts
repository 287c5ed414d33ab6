import type { StoredJob } from "../../contract/index.ts";

const MAX_JOBS = 10_000;

/** Jobs that the store failed by itself and that nobody was told of yet. What is more, or is lost here, is found among the failed jobs only. */
export class DiedJobs {
  #jobs: StoredJob[] = [];

  add(jobs: readonly StoredJob[]): void {
    this.#jobs.push(...jobs.slice(0, MAX_JOBS - this.#jobs.length));
  }

  take(): readonly StoredJob[] {
    return this.#jobs.splice(0);
  }

  /** What is reported next, with these in front. */
  reportIn<R extends Readonly<{ died: readonly StoredJob[] }>>(result: R): R {
    return this.#jobs.length === 0 ? result : { ...result, died: [...this.take(), ...result.died] };
  }
}
