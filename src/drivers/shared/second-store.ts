import type {
  Capabilities,
  Driver,
  FinishItem,
  JobFailure,
  JobState,
  PushItem,
  RecordFilter,
  RecordPage,
  RecordStore,
  Reservation,
  StoredJob,
} from "../../contract/index.ts";
import { JobferryError, UnsupportedError } from "../../errors/index.ts";
import { itemOf, keptOf } from "./kept-job.ts";
import type { KeptJob } from "./kept-job.ts";
import { type SecondDriver, toldAsSecond } from "./second-driver.ts";

/** A store that is open and stays its owner's. */
export type SecondQueue = Readonly<{ driver: Driver; open: () => Promise<Capabilities> }>;

/** Puts jobs into the broker again: resolves to which of them it has confirmed. */
export type PutBack = (jobs: readonly KeptJob[]) => Promise<readonly boolean[]>;

const LEASE_MS = 30_000;
/** Of what is only failed there: a process that dies with it must not hold up long who brings the same job again. */
const FAIL_LEASE_MS = 2_000;
const BATCH = 500;
/** Looks for jobs that somebody else took for a moment. */
const PASSES = 3;

/**
 * Where a broker's failed jobs rest and delays wait that are longer than its own: another queue. A job is in one store at a time. It moves by being
 * written to the second under its id and then acknowledged in the first, so a crash in between leaves it twice and never not at all. Both
 * kinds lie in queues of their own there, `<prefix> failed/<queue>` and `<prefix> later/<queue>`, so the second store may hold jobs of its own, too.
 *
 * The way back is under a lease of the second store: a job that is in the broker again can fail before it is away here, and whoever writes it then must see
 * that the one that lies here is leaving, not take it for its own.
 */
export class SecondStore implements RecordStore {
  readonly #second: Readonly<{ driver: SecondDriver; open: SecondQueue["open"] }>;
  readonly #failed: string;
  readonly #later: string;
  readonly #putBack: PutBack;
  readonly #stayMs: (job: StoredJob) => number;
  readonly #pause: () => Promise<unknown>;
  #capabilities: Capabilities | undefined;

  /** `stayMs`: how much longer a job must stay here before the broker can take it. `pause`: until somebody else's few steps are over. */
  constructor(
    second: SecondQueue,
    prefix: string,
    putBack: PutBack,
    stayMs: (job: StoredJob) => number,
    pause: () => Promise<unknown>,
  ) {
    this.#pause = pause;
    this.#stayMs = stayMs;
    this.#second = { driver: toldAsSecond(second.driver), open: second.open };
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
    if (jobs.length === 0) return [];
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
    if (jobs.length === 0) return [];
    const items = jobs.map((kept) => itemOf(kept, place + kept.job.queue, delayMs(kept)));
    const results = await this.#second.driver.push(items);
    const safe: boolean[] = [];
    for (const [i, item] of items.entries()) {
      const status = results[i]?.status;
      safe.push(status === "stored" || (status === "exists" && (await this.#replaces(item))));
    }
    return safe;
  }

  /**
   * The id is there already. Where it is to lie it is what an unanswered try or a crash left, and one is enough. What is over, or rests elsewhere, makes
   * way. What is on its way into the broker is not ours to count on, nor what the second store holds for others: then the job stays where it is.
   */
  async #replaces(item: PushItem): Promise<boolean> {
    const there = await this.#records.get(item.id);
    if (there !== undefined) {
      if (there.state === "reserved" || !this.#isOurs(there)) return false;
      if (there.queue === item.queue && there.state !== "completed") return true;
      await this.#records.remove([item.id]);
    }
    const [again] = await this.#second.driver.push([item]);
    return again?.status === "stored";
  }

  async #failPending(places: readonly string[]): Promise<void> {
    const { driver } = this.#second;
    for (;;) {
      const request = { queues: places, max: BATCH, leaseMs: FAIL_LEASE_MS, waitMs: 0 };
      const { reservations } = await driver.reserve(request);
      if (reservations.length === 0) return;
      await driver.finish(reservations.map((reservation) => this.#staying(reservation)));
    }
  }

  /** Prunes what it keeps too long by its own options, and brings back what is due; how many. */
  async promoteDue(max: number): Promise<number> {
    const { driver } = this.#second;
    await driver.maintain({ max });
    const all = await driver.queues();
    const queues = all.filter((name) => name.startsWith(this.#later));
    // Nobody counts or finds what somebody who died left pending there.
    const failed = all.filter((name) => name.startsWith(this.#failed));
    if (failed.length > 0) await this.#failPending(failed);
    if (queues.length === 0) return 0;
    const { reservations } = await driver.reserve({ queues, max, leaseMs: LEASE_MS, waitMs: 0 });
    return (await this.#leave(reservations, (kept) => kept)).size;
  }

  /** Into the broker, then away here; resolves to whose that was. What the broker did not take stays as it was. */
  async #leave(
    reservations: readonly Reservation[],
    changed: (kept: KeptJob) => KeptJob,
  ): Promise<ReadonlySet<string>> {
    const leaving = reservations.flatMap(({ job }) => {
      const kept = keptOf(job);
      return kept === undefined ? [] : [changed(kept)];
    });
    const due = leaving.filter(({ job }) => this.#stayMs(job) === 0);
    let away: Readonly<{ error: unknown }> | undefined;
    const none = (error: unknown): readonly boolean[] => {
      away = { error };
      return [];
    };
    const safe = due.length === 0 ? [] : await this.#putBack(due).catch(none);
    const gone = new Set(due.filter((_, i) => safe[i] === true).map(({ job }) => job.id));
    if (reservations.length > 0) {
      const { driver } = this.#second;
      await driver.finish(
        reservations.map((reservation) =>
          gone.has(reservation.job.id) ? { reservation, outcome: "done" } : this.#staying(reservation),
        ),
      );
    }
    if (away !== undefined) throw away.error;
    return gone;
  }

  #staying(reservation: Reservation): FinishItem {
    const { job } = reservation;
    if (job.queue.startsWith(this.#failed)) return { reservation, outcome: "fail", failure: failureOf(job) };
    const kept = keptOf(job);
    return {
      reservation,
      outcome: "release",
      delayMs: Math.max(1_000, kept === undefined ? 0 : this.#stayMs(kept.job)),
    };
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

  async remove(ids: readonly string[], state?: JobState): Promise<number> {
    let removed = 0;
    for (const one of ["failed", "delayed"] as const) {
      if (state !== undefined && state !== one) continue;
      const resting = await this.#resting(ids, one);
      removed += await this.#records.remove(
        resting.map(({ id }) => id),
        one,
      );
    }
    return removed;
  }

  async retry(ids: readonly string[]): Promise<number> {
    const counts = { attempts: 0, losses: 0, exceptions: 0, failure: undefined, finishedAt: undefined };
    return this.#move(await this.#resting(ids, "failed"), (asked) => this.#records.retry(asked), counts);
  }

  async promote(ids: readonly string[]): Promise<number> {
    return this.#move(await this.#resting(ids, "delayed"), (asked) => this.#records.promote(asked), {});
  }

  /** Into the broker under a lease. Who else takes what was woken for a moment leaves it as it was: it is woken again. */
  async #move(
    resting: readonly StoredJob[],
    wake: (ids: readonly string[]) => Promise<number>,
    changes: Partial<StoredJob>,
  ): Promise<number> {
    const left = new Set(resting.map(({ id }) => id));
    let moved = 0;
    const queues = [...new Set(resting.map(({ queue }) => queue))];
    // Whatever its time was, it is now.
    const now = ({ job, maxLosses }: KeptJob): KeptJob => ({ job: { ...job, ...changes, availableAt: 0 }, maxLosses });
    for (let pass = 0; pass < PASSES && left.size > 0; pass += 1) {
      // Whoever took them, a failure or an upkeep, lets go of them soon.
      if (pass > 0) await this.#pause();
      await wake([...left]);
      for (;;) {
        const request = { queues, max: BATCH, leaseMs: LEASE_MS, waitMs: 0 };
        const { reservations } = await this.#second.driver.reserve(request);
        if (reservations.length === 0) break;
        const [asked, others] = [true, false].map((is) => reservations.filter(({ job }) => left.has(job.id) === is));
        // What the broker did not take, or not surely, stays as it was. Once more at once could be a copy more.
        for (const { job } of asked ?? []) left.delete(job.id);
        try {
          moved += (await this.#leave(asked ?? [], now)).size;
        } finally {
          await this.#notAsked(others ?? []);
        }
      }
    }
    return moved;
  }

  /** What a crash left pending among the failed, and delays that are over. */
  async #notAsked(others: readonly Reservation[]): Promise<void> {
    const isFailed = ({ job }: Reservation): boolean => job.queue.startsWith(this.#failed);
    const failed = others.filter(isFailed);
    if (failed.length > 0) await this.#second.driver.finish(failed.map((reservation) => this.#staying(reservation)));
    await this.#leave(
      others.filter((one) => !isFailed(one)),
      (kept) => kept,
    );
  }

  async #resting(ids: readonly string[], state: StoredJob["state"]): Promise<readonly StoredJob[]> {
    const found: StoredJob[] = [];
    for (const id of ids) {
      const stored = await this.#records.get(id);
      if (stored?.state === state && this.#isOurs(stored) && keptOf(stored) !== undefined) found.push(stored);
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
