import type { Clock, StoredJob } from "../../contract/index.ts";
import { storedJob } from "./job-row.ts";
import type { JobRow } from "./job-row.ts";
import type { LeaseClock } from "./lease-clock.ts";
import type { Statements } from "./statements.ts";

type Value = Readonly<{ value: number }>;
type Id = Readonly<{ id: number }>;

/**
 * What one write transaction knows and gathers: its time, the numbers it gives out, the queues that it woke, the jobs it completed. The
 * object is used again for the next transaction, because one is needed for every push.
 */
export class Transaction {
  readonly sql: Statements;
  readonly #clock: Clock;
  readonly #leaseClock: LeaseClock;
  /** Ids never change and are never given up, so what was committed may be remembered for good. */
  readonly #queueIds = new Map<string, number>();
  readonly #queueNames = new Map<number, string>();
  readonly #completed = new Map<number, number>();
  /** Whether reads outside `start`..commit can see what is not committed: someone else's transaction on the same handle. */
  readonly #shared: boolean;
  #running = false;
  /** By queue name: jobs that became pending. */
  readonly woken: Map<string, number> = new Map();
  /** Jobs that the store failed outside of a reserve or maintain, which report them. */
  readonly died: StoredJob[] = [];
  /** Whether a job was delayed, which may be due before what waiting consumers know. */
  delayed = false;
  /** Epoch milliseconds. */
  now = 0;
  /** `clock.monotonic()`, taken before the time below: holders count their leases from it. */
  startedAt = 0;
  /** By the lease clock. */
  leaseNow = 0;
  /** A guess of how many pages it writes, for the size of the WAL. */
  pages = 0;
  #sequence = 0;
  #storedSequence = -1;

  constructor(sql: Statements, clock: Clock, leaseClock: LeaseClock, shared: boolean) {
    this.sql = sql;
    this.#shared = shared;
    this.#clock = clock;
    this.#leaseClock = leaseClock;
  }

  start(): void {
    this.#running = true;
    this.now = this.#clock.now();
    this.startedAt = this.#clock.monotonic();
    this.leaseNow = this.#leaseClock.at(this.startedAt);
    this.pages = 2;
    this.delayed = false;
    this.#storedSequence = -1;
    this.died.length = 0;
    if (this.woken.size > 0) this.woken.clear();
    if (this.#completed.size > 0) this.#completed.clear();
  }

  /** Writes what was only counted so far. The last thing before COMMIT. */
  settle(): void {
    if (this.#storedSequence >= 0 && this.#sequence !== this.#storedSequence) this.sql.setSequence.run(this.#sequence);
    for (const [queue, count] of this.#completed) this.sql.countCompleted.run(count, queue);
  }

  end(): void {
    this.#running = false;
  }

  /** After a rollback: queues that were made in it are not there. */
  forget(): void {
    this.#running = false;
    this.#queueIds.clear();
    this.#queueNames.clear();
    this.woken.clear();
    this.died.length = 0;
  }

  /** Whether the queue's number is known without a look. */
  knows(queue: string): boolean {
    return this.#queueIds.has(queue);
  }

  /** @returns undefined for a queue that nobody pushed to or paused so far. */
  findQueue(name: string): number | undefined {
    const known = this.#queueIds.get(name);
    if (known !== undefined) return known;
    const found = this.sql.queueId.get(name) as Id | undefined;
    return found === undefined ? undefined : this.#remember(found.id, name);
  }

  queue(name: string): number {
    const found = this.findQueue(name);
    if (found !== undefined) return found;
    const id = Number(this.sql.addQueue.run(name).lastInsertRowid);
    this.sql.addCounter.run(id);
    return this.#remember(id, name);
  }

  queueName(id: number): string {
    const known = this.#queueNames.get(id);
    if (known !== undefined) return known;
    const { name } = this.sql.queueName.get(id) as Readonly<{ name: string }>;
    this.#remember(id, name);
    return name;
  }

  #remember(id: number, name: string): number {
    if (this.#shared && !this.#running) return id;
    this.#queueIds.set(name, id);
    this.#queueNames.set(id, name);
    return id;
  }

  /** The first of `count` numbers that no one gets again. */
  tokens(count: number): number {
    const first = this.#highest() + 1;
    this.#sequence += count;
    return first;
  }

  /** A place behind every job that is there, and behind every place that was given out here before. */
  lastPlace(): number {
    const { seq } = this.sql.lastPlace.get() as Readonly<{ seq: number }>;
    this.#sequence = Math.max(this.#highest(), seq) + 1;
    this.pages += 3;
    return this.#sequence;
  }

  #highest(): number {
    if (this.#storedSequence < 0) {
      this.#storedSequence = (this.sql.sequence.get() as Value).value;
      this.#sequence = this.#storedSequence;
    }
    return this.#sequence;
  }

  wake(queue: string, jobs: number): void {
    this.woken.set(queue, (this.woken.get(queue) ?? 0) + jobs);
  }

  completed(queue: number): void {
    this.#completed.set(queue, (this.#completed.get(queue) ?? 0) + 1);
  }

  job(row: JobRow): StoredJob {
    return storedJob(row, this.queueName(row.queue), this.sql);
  }

  dropBody(body: number | null): void {
    if (body !== null) this.sql.dropBody.run(body);
  }
}
