import type { Capabilities, Clock, Driver, FinishItem, FinishResult, StoredJob } from "../contract/index.ts";
import { JobferryError, UnsupportedError } from "../errors/index.ts";
import { settledWithin } from "../runtime/index.ts";
import type { Envelope } from "./envelope.ts";
import { Finishing, type Finish, finishUnknown } from "./finishing.ts";
import { Intake } from "./intake.ts";
import { Pushing } from "./pushing.ts";
import { encodeResult } from "./result.ts";
import { Lease } from "./lease.ts";
import { checkBytes, checkDelay, checkLease } from "./limits.ts";
import { type QueueSettings, survives } from "./queue-options.ts";
import { wrapError } from "./wrap-error.ts";

/** `payload` where it was decoded on the way: hand it to the job's snapshot, or it is decoded twice. */
export type Taken = Readonly<{
  lease: Lease;
  envelope: Envelope;
  payload: Readonly<{ value: unknown }> | undefined;
}>;
export type ReserveCall = Readonly<{
  queues: readonly string[];
  max: number;
  free?: number;
  leaseMs: number;
  waitMs: number;
  signal?: AbortSignal | undefined;
}>;

export type ReserveAnswer = Readonly<{
  taken: readonly Taken[];
  died: readonly StoredJob[];
  /** How many jobs came that could not be read and are out of the way now: parked, or handed back with a delay. */
  unreadable: number;
  /** How many went back to a store that cannot delay: the next reserve brings them again. */
  bounced: number;
  nextDueInMs: number | undefined;
}>;

const CLOSE_TIMEOUT_MS = 10_000;

/** What a queue and its workers share: one open driver, its batchers and its state. Not public. */
export class Engine<Tx = never> {
  readonly driver: Driver<Tx>;
  readonly settings: QueueSettings;
  readonly clock: Clock;
  readonly #closing = new AbortController();
  /** Whether the driver may hold something that must be closed, also after an open() that failed. */
  #touched = false;
  #opening: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  #capabilities: Capabilities | undefined;
  #pushing: Pushing<Tx> | undefined;
  readonly #finishing: Finishing;
  readonly #intake: Intake;

  constructor(driver: Driver<Tx>, settings: QueueSettings) {
    this.driver = driver;
    this.settings = settings;
    this.clock = settings.clock;
    const plain = driver as Driver<never>;
    this.#finishing = new Finishing(plain, settings);
    this.#intake = new Intake(plain, settings, () => this.maxDelayMs);
  }

  /** 0 where the store cannot delay. */
  get maxDelayMs(): number {
    const { delay } = this.capabilities;
    return delay.support === "unsupported" ? 0 : delay.maxMs;
  }

  get capabilities(): Capabilities {
    if (this.#capabilities === undefined) {
      throw new JobferryError(
        "NOT_OPEN",
        "The queue is not open yet, so its capabilities are not known. Call await queue.open() first.",
      );
    }
    return this.#capabilities;
  }

  /** Fires when close() begins. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** undefined when the queue is open already, so that hot paths need no promise. */
  ready(): Promise<void> | undefined {
    if (this.#closing.signal.aborted) return Promise.reject(closedError());
    if (this.#pushing !== undefined) return undefined;
    this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = undefined; // the next call tries again
      throw error;
    });
    return this.#opening;
  }

  async #open(): Promise<void> {
    const { clock, logger, completed, failed } = this.settings;
    this.#touched = true;
    const capabilities = await this.call("open", () =>
      this.driver.open({ clock, logger, retention: { completed, failed } }),
    );
    if (this.#closing.signal.aborted) {
      // close() did not wait any longer: what was opened after it must not stay open.
      await this.call("close", () => this.driver.close());
      throw closedError();
    }
    this.#checkDurability(capabilities);
    this.#checkRetention(capabilities);
    this.#capabilities = capabilities;
    this.#pushing = new Pushing(this.driver, this.settings, capabilities, this.closing);
  }

  #checkDurability({ durability, shared }: Capabilities): void {
    const { durability: wanted, logger } = this.settings;
    const { name } = this.driver;
    if (wanted === undefined) {
      if (shared && !survives(durability, "serverCrash"))
        logger.warn(
          { driver: name, durability },
          `${name} as it is set up may lose pushed jobs when its server crashes (docs/guarantees.md). Set the option durability to say what you need.`,
        );
      return;
    }
    if (survives(durability, wanted)) return;
    const way =
      wanted === "quorum"
        ? "It takes three servers or more that vote, on etcd, Consul or ZooKeeper (docs/guarantees.md). Take these, or ask for less"
        : "Change its settings (docs/guarantees.md), or ask for less";
    throw new UnsupportedError(
      "durability",
      `durability "${wanted}" was asked for, but ${name} as it is set up survives "${durability}". ${way}.`,
    );
  }

  /** What a store cannot keep, or never drops, must not be asked of it in vain. */
  #checkRetention({ records }: Capabilities): void {
    if (records === true) return;
    const { completed, failed } = this.settings;
    const { name } = this.driver;
    if (completed.count > 0)
      throw new UnsupportedError(
        "keepCompleted",
        `keepCompleted was asked for, but ${name} cannot keep completed jobs. Leave it out, or take another backend.`,
      );
    if (failed.count === Infinity && failed.ageMs === Infinity) return;
    const instead = records === "resting" ? "Give keepFailed to the queue of records" : "Leave it out";
    throw new UnsupportedError(
      "keepFailed",
      `keepFailed was asked for, but ${name} keeps all failed jobs. ${instead}.`,
    );
  }

  /** Runs a call of the driver and wraps what it throws. */
  async call<T>(doing: string, run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      throw wrapError(this.driver as Driver<never>, error, doing);
    }
  }

  get pushing(): Pushing<Tx> {
    if (this.#pushing === undefined) throw new JobferryError("NOT_OPEN", "The queue is not open.");
    return this.#pushing;
  }

  /** @throws UNSUPPORTED */
  checkDelay(delayMs: number): void {
    checkDelay(this.driver.name, this.capabilities, delayMs);
  }

  /** @throws UNSUPPORTED */
  checkLease(leaseMs: number): void {
    checkLease(this.driver.name, this.capabilities, leaseMs);
  }

  /** Leases on what could be read; what could not is finished here. `died` are jobs that the store itself failed. */
  async reserve(call: ReserveCall): Promise<ReserveAnswer> {
    const sentAt = this.clock.monotonic();
    const result = await this.call("reserve", () => this.driver.reserve(call));
    const countedFrom = result.claimedAt ?? sentAt;
    const taken: Taken[] = [];
    const unreadable: Finish[] = [];
    for (const reservation of result.reservations) {
      const lease = new Lease(this.clock, reservation, countedFrom, call.leaseMs);
      const read = this.#intake.read(reservation);
      if ("outcome" in read) unreadable.push({ item: read, lease });
      else taken.push({ lease, envelope: read.envelope, payload: read.payload });
    }
    if (unreadable.length > 0) await this.#putAway(unreadable, taken.length > 0);
    const bounced = unreadable.filter(({ item }) => item.outcome === "release" && item.delayMs <= 0).length;
    return {
      taken,
      died: result.died,
      unreadable: unreadable.length - bounced,
      bounced,
      nextDueInMs: result.nextDueInMs,
    };
  }

  /** Those that can run must not wait for a store that does not answer. */
  async #putAway(unreadable: readonly Finish[], hurry: boolean): Promise<void> {
    const done = this.#finishing.finish(unreadable);
    if (!hurry) return void (await done);
    done.catch((error: unknown) =>
      this.settings.logger.error({ jobs: unreadable.length, error }, "Jobs that cannot be read were not put away."),
    );
  }

  /** One answer per item: `unknown` when the store did not confirm in time, or when the queue was closed. */
  finish(items: readonly Finish[]): Promise<readonly FinishResult[]> {
    return this.#finishing.finish(items);
  }

  /** As `finish`, but each is told its own answer as soon as it is known; resolves when the store has answered once. */
  finishEach<F extends Finish>(items: readonly F[], tell: (item: F, result: FinishResult) => void): Promise<void> {
    return this.#finishing.finishEach(items, tell);
  }

  /** @throws LEASE_LOST, FINISH_UNKNOWN, CLOSED */
  async finishOne(item: FinishItem, lease: Lease): Promise<void> {
    if (this.#finishing.stopped) throw closedError();
    const [result] = await this.#finishing.finish([{ item, lease }]);
    if (result === "lost") throw lease.lose();
    if (result !== "ok") throw finishUnknown(item.reservation.job.id);
  }

  /** @throws LEASE_LOST, CLOSED */
  async extendLease(lease: Lease, leaseMs: number): Promise<void> {
    if (this.#finishing.stopped) throw closedError();
    const sentAt = this.clock.monotonic();
    const [result] = await this.call("extend", () => this.driver.extend([{ reservation: lease.reservation, leaseMs }]));
    if (result !== "ok") throw lease.lose();
    lease.renewed(sentAt, leaseMs);
  }

  /** undefined where results are not kept. @throws PAYLOAD_INVALID, PAYLOAD_TOO_LARGE */
  encodeResult(result: unknown): Uint8Array | undefined {
    if (this.settings.completed.count <= 0) return undefined;
    const bytes = encodeResult(result);
    checkBytes(this.driver.name, this.capabilities, "result", bytes.length);
    return bytes;
  }

  /** Waits for what was sent, then closes the driver. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const opening = this.#opening;
    this.#closing.abort(closedError());
    if (opening !== undefined) await settledWithin(this.clock, opening, CLOSE_TIMEOUT_MS);
    if (!this.#touched) return;
    await settledWithin(this.clock, this.#drained(), CLOSE_TIMEOUT_MS);
    this.#finishing.stop();
    try {
      await this.#closeDriver();
    } finally {
      await this.#pushing?.stop();
    }
  }

  /** A driver that does not come to an end must not hold up whoever closes; what it throws in time is told. */
  async #closeDriver(): Promise<void> {
    const closing = this.call("close", () => this.driver.close());
    if (await settledWithin(this.clock, closing, CLOSE_TIMEOUT_MS)) return closing;
    closing.catch(() => undefined);
    this.settings.logger.warn(
      { driver: this.driver.name },
      `${this.driver.name} did not close within ${CLOSE_TIMEOUT_MS / 1_000} s. The queue is closed; connections may stay open until the process ends.`,
    );
  }

  async #drained(): Promise<void> {
    await Promise.all([this.#pushing?.drained(), this.#finishing.drained()]);
  }
}

function closedError(): JobferryError {
  return new JobferryError("CLOSED", "The queue is closed. Make another one.");
}
