import type {
  Capabilities,
  Driver,
  JobFailure,
  RecordFilter,
  RecordPage,
  RecordStore,
  Reservation,
  StoredJob,
} from "../../contract/index.ts";
import { JobferryError, UnsupportedError } from "../../errors/index.ts";
import { itemOf, keptOf } from "./kept-job.ts";
import type { KeptJob } from "./kept-job.ts";

/** A store that is open and stays its owner's. */
export type SecondQueue = Readonly<{ driver: Driver; open: () => Promise<Capabilities> }>;

/** Puts jobs into the broker again: resolves to which of them it has confirmed. */
export type PutBack = (jobs: readonly KeptJob[]) => Promise<readonly boolean[]>;

const LEASE_MS = 30_000;
const BATCH = 500;

/**
 * Where a broker's failed jobs rest and delays wait that are longer than its own: another queue. A job is in one store at a time. It moves by being
 * written to the second under its id and then acknowledged in the first, so a crash in between leaves it twice and never not at all. Both
 * kinds lie in queues of their own there, `<prefix> failed/<queue>` and `<prefix> later/<queue>`, so the second store may hold jobs of its own, too.
 */
export class SecondStore implements RecordStore {
  readonly #second: SecondQueue;
  readonly #failed: string;
  readonly #later: string;
  readonly #putBack: PutBack;
  #capabilities: Capabilities | undefined;

  constructor(second: SecondQueue, prefix: string, putBack: PutBack) {
    this.#second = second;
    this.#failed = `${prefix} failed/`;
    this.#later = `${prefix} later/`;
    this.#putBack = putBack;
  }

  /** @throws UNSUPPORTED for a store that cannot keep single jobs by their ids. */
  async open(): Promise<Capabilities> {
    this.#capabilities ??= await this.#second.open();
    const { records, pushById, delay } = this.#capabilities;
    if (records === true && pushById && delay.support !== "unsupported") return this.#capabilities;
    throw new UnsupportedError(
      "records",
      `${this.#second.driver.name} cannot keep another queue's failed jobs: it needs records, delays and pushes by id. Give a store such as SQLite.`,
    );
  }

  get #records(): RecordStore {
    return this.#second.driver.records ?? notOpen();
  }

  /** Resolves to which of them are safe in the second store. The newest failure of each is its reason. */
  async fail(jobs: readonly KeptJob[]): Promise<readonly boolean[]> {
    const safe = await this.#push(jobs, this.#failed, () => 0);
    // What a crash leaves here pending is failed by whoever comes next.
    await this.#failPending([...new Set(jobs.map(({ job }) => this.#failed + job.queue))]);
    return safe;
  }

  later(jobs: readonly KeptJob[], delayMs: (kept: KeptJob) => number): Promise<readonly boolean[]> {
    return this.#push(jobs, this.#later, delayMs);
  }

  async #push(
    jobs: readonly KeptJob[],
    place: string,
    delayMs: (kept: KeptJob) => number,
  ): Promise<readonly boolean[]> {
    const items = jobs.map((kept) => itemOf(kept, place + kept.job.queue, delayMs(kept)));
    const results = await this.#second.driver.push(items);
    return results.map(({ status }) => status === "stored" || status === "exists");
  }

  async #failPending(places: readonly string[]): Promise<void> {
    const { driver } = this.#second;
    for (;;) {
      const { reservations } = await driver.reserve({ queues: places, max: BATCH, leaseMs: LEASE_MS, waitMs: 0 });
      if (reservations.length === 0) return;
      await driver.finish(
        reservations.map((reservation) => ({ reservation, outcome: "fail", failure: failureOf(reservation.job) })),
      );
    }
  }

  /** Brings back what is due; how many. */
  async promoteDue(max: number): Promise<number> {
    const { driver } = this.#second;
    const queues = (await driver.queues()).filter((name) => name.startsWith(this.#later));
    if (queues.length === 0) return 0;
    await driver.maintain({ max });
    const { reservations } = await driver.reserve({ queues, max, leaseMs: LEASE_MS, waitMs: 0 });
    await this.#bringBack(reservations);
    return reservations.length;
  }

  async #bringBack(reservations: readonly Reservation[]): Promise<void> {
    if (reservations.length === 0) return;
    const { driver } = this.#second;
    const kept = reservations.map(({ job }) => keptOf(job));
    const known = kept.flatMap((one) => one ?? []);
    const safe = await this.#putBack(known);
    const done = new Set(known.filter((_, i) => safe[i] === true));
    await driver.finish(
      reservations.map((reservation, i) => {
        const one = kept[i];
        const isBack = one !== undefined && done.has(one);
        return isBack ? { reservation, outcome: "done" } : { reservation, outcome: "release", delayMs: 1_000 };
      }),
    );
  }

  async counts(queue: string | undefined): Promise<Readonly<{ failed: number; delayed: number }>> {
    const { driver } = this.#second;
    const names = queue === undefined ? await driver.queues() : [this.#failed + queue, this.#later + queue];
    let [failed, delayed] = [0, 0];
    for (const name of names) {
      if (name.startsWith(this.#failed)) failed += (await driver.stats(name)).failed ?? 0;
      if (!name.startsWith(this.#later)) continue;
      const stats = await driver.stats(name);
      delayed += (stats.delayed ?? 0) + (stats.pending ?? 0);
    }
    return { failed, delayed };
  }

  /** Removes what waits for its time; how many. */
  async clear(queue: string | undefined): Promise<number> {
    const { driver } = this.#second;
    const names = queue === undefined ? await driver.queues() : [this.#later + queue];
    let removed = 0;
    for (const name of names) if (name.startsWith(this.#later)) removed += (await driver.clear(name)).removed ?? 0;
    return removed;
  }

  // Records: of what rests here.

  async get(id: string): Promise<StoredJob | undefined> {
    return this.#shown(await this.#records.get(id));
  }

  async list(
    filter: RecordFilter,
    page: Readonly<{ limit: number; cursor?: string | undefined }>,
  ): Promise<RecordPage> {
    const { queue, state } = filter;
    const kinds = queue === undefined ? [undefined] : this.#kindsOf(state);
    const [at = 0, cursor] = splitCursor(page.cursor);
    const kind = kinds[at];
    const place = kind === undefined || queue === undefined ? {} : { queue: kind + queue };
    const found = await this.#records.list({ ...filter, ...place }, { limit: page.limit, cursor });
    const jobs = found.jobs.flatMap((job) => this.#shown(job) ?? []);
    const next =
      found.cursor !== undefined ? `${at} ${found.cursor}` : at + 1 < kinds.length ? `${at + 1} ` : undefined;
    return { jobs, cursor: next };
  }

  #kindsOf(state: RecordFilter["state"]): readonly string[] {
    if (state === undefined) return [this.#failed, this.#later];
    return [state === "failed" ? this.#failed : this.#later];
  }

  async remove(ids: readonly string[]): Promise<number> {
    return this.#records.remove((await this.#resting(ids, ["failed", "delayed"])).map(({ job }) => job.id));
  }

  async retry(ids: readonly string[]): Promise<number> {
    const counts = { attempts: 0, losses: 0, exceptions: 0, failure: undefined, finishedAt: undefined };
    return this.#move(await this.#resting(ids, ["failed"]), counts);
  }

  async promote(ids: readonly string[]): Promise<number> {
    return this.#move(await this.#resting(ids, ["delayed"]), {});
  }

  /** Into the broker first, then away here. */
  async #move(kept: readonly KeptJob[], changes: Partial<StoredJob>): Promise<number> {
    if (kept.length === 0) return 0;
    // Whatever its time was, it is now.
    const due = kept.map(({ job, maxLosses }) => ({ job: { ...job, ...changes, availableAt: 0 }, maxLosses }));
    const safe = await this.#putBack(due);
    return this.#records.remove(kept.flatMap(({ job }, i) => (safe[i] === true ? [job.id] : [])));
  }

  async #resting(ids: readonly string[], states: readonly StoredJob["state"][]): Promise<readonly KeptJob[]> {
    const found: KeptJob[] = [];
    for (const id of ids) {
      const stored = await this.#records.get(id);
      if (stored === undefined || !states.includes(stored.state) || !this.#isOurs(stored)) continue;
      const kept = keptOf(stored);
      if (kept !== undefined) found.push(kept);
    }
    return found;
  }

  #isOurs({ queue }: StoredJob): boolean {
    return queue.startsWith(this.#failed) || queue.startsWith(this.#later);
  }

  #shown(stored: StoredJob | undefined): StoredJob | undefined {
    return stored === undefined || !this.#isOurs(stored) ? undefined : keptOf(stored)?.job;
  }
}

function failureOf(job: StoredJob): JobFailure {
  const unknown = { code: "UNEXPECTED", name: "JobferryError", message: "The reason is not known.", stack: undefined };
  return keptOf(job)?.job.failure ?? unknown;
}

function splitCursor(cursor: string | undefined): readonly [at: number | undefined, cursor: string | undefined] {
  if (cursor === undefined) return [undefined, undefined];
  const space = cursor.indexOf(" ");
  const at = Number(cursor.slice(0, space));
  if (space < 1 || !(at === 0 || at === 1))
    throw new JobferryError("INVALID_ARGUMENT", "cursor is not one that this listing gave. Start without a cursor.");
  const rest = cursor.slice(space + 1);
  return [at, rest === "" ? undefined : rest];
}

function notOpen(): never {
  throw new JobferryError("NOT_OPEN", "The queue for records is not open.");
}
