import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createJob, type Job, type JobOptions, memoryQueue, type Queue } from "../../../src/entry/index.ts";
import { type PoolOptions, WorkerPool, type WorkerEvents } from "../../../src/entry/index.ts";

export const HANDLERS: URL = new URL("./modules/handlers.ts", import.meta.url);
export const CHILDREN = ["threads", "processes"] as const;
export type Children = (typeof CHILDREN)[number];

type Events = WorkerEvents<Job>;
type Told = { [K in keyof Events]: Events[K][] };

/** A pool on a memory queue whose events are kept. Disposal stops both and removes what the test wrote. */
export class Stage implements AsyncDisposable {
  readonly queue: Queue = memoryQueue();
  readonly pool: WorkerPool;
  readonly told: Told = {
    completed: [],
    failed: [],
    dead: [],
    lost: [],
    stuck: [],
    unknown: [],
    error: [],
    stopped: [],
  };
  readonly #directory = mkdtempSync(join(tmpdir(), "jobferry-pool-"));
  #look: () => void = () => undefined;

  constructor(isolation: Children, options: PoolOptions = {}, module: URL = HANDLERS) {
    this.pool = new WorkerPool(this.queue, "default", module, {
      workers: 1,
      backoff: 1,
      abortGrace: 100,
      isolation,
      ...options,
    });
    for (const event of Object.keys(this.told) as (keyof Told)[]) {
      this.pool.on(event, (value) => {
        (this.told[event] as unknown[]).push(value);
        this.#look();
      });
    }
  }

  push(name: string, payload?: unknown, options: JobOptions = {}): Promise<Job> {
    return this.queue.push(createJob(payload as string, { ...options, name }));
  }

  /** Resolves when `is` holds, which is looked at after every event. The test's own timeout is the limit. */
  until(is: (told: Told) => boolean): Promise<Told> {
    return new Promise((resolve) => {
      this.#look = () => {
        if (is(this.told)) resolve(this.told);
      };
      this.#look();
    });
  }

  /** Pushes one job and resolves to its end. */
  async result(name: string, payload?: unknown, options?: JobOptions): Promise<unknown> {
    const { id } = await this.push(name, payload, options);
    const { completed, failed } = await this.until(
      (told) => told.completed.some(({ job }) => job.id === id) || told.dead.some(({ job }) => job.id === id),
    );
    const done = completed.find(({ job }) => job.id === id);
    return done === undefined ? failed.findLast(({ job }) => job.id === id)?.error : done.result;
  }

  log(name: string): string {
    return join(this.#directory, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pool.stop({ timeout: 0 });
    await this.queue.close();
    rmSync(this.#directory, { recursive: true });
  }
}

export type Start = Readonly<{ id: string; pid: number; attempts: number; losses: number }>;

export function startsIn(log: string): readonly Start[] {
  return linesOf(log).map((line) => {
    const [id = "", pid, attempts, losses] = line.split(" ");
    return { id, pid: Number(pid), attempts: Number(attempts), losses: Number(losses) };
  });
}

function linesOf(file: string): readonly string[] {
  try {
    return readFileSync(file, "utf8").trimEnd().split("\n");
  } catch {
    return [];
  }
}

/** For what no event tells: looks until it holds. The test's own timeout is the limit. */
export async function eventually<T>(look: () => T | undefined | false): Promise<T> {
  for (;;) {
    const found = look();
    if (found !== undefined && found !== false) return found;
    await new Promise((resolve) => void setTimeout(resolve, 10));
  }
}

/** Who has ended but was not collected yet is not alive: an orphan's new parent may take seconds to look at it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  return stateOf(pid) !== "Z";
}

/** The letter that Linux shows; undefined elsewhere, and for who is gone meanwhile. */
function stateOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2)[0];
  } catch {
    return undefined;
  }
}
