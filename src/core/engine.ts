import type { Capabilities, Clock, Driver, FinishItem, FinishResult, StoredJob } from "../contract/index.ts";
import { JobferryError, UnsupportedError } from "../errors/index.ts";
import { settledWithin, sleep } from "../runtime/index.ts";
import type { Envelope } from "./envelope.ts";
import { Finishing, type Finish, finishUnknown } from "./finishing.ts";
import { Intake } from "./intake.ts";
import { Pushing } from "./pushing.ts";
import { encodeResult } from "./result.ts";
import { Lease } from "./lease.ts";
import { type QueueSettings, survives } from "./queue-options.ts";
import { wrapError } from "./wrap-error.ts";

export type Taken = Readonly<{ lease: Lease; envelope: Envelope }>;
export type ReserveCall = Readonly<{
  queues: readonly string[];
  max: number;
  free?: number;
  leaseMs: number;
  waitMs: number;
  signal?: AbortSignal | undefined;
}>;

const CLOSE_TIMEOUT_MS = 10_000;
const DRAIN_POLL_MS = 5;

/** What a queue and its workers share: one open driver, its batchers and its state. Not public. */
export class Engine<Tx = never> {
  readonly driver: Driver<Tx>;
  readonly settings: QueueSettings;
  readonly clock: Clock;
  readonly #closing = new AbortController();
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
    this.#intake = new Intake(plain, settings);
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
    if (this.#closing.signal.aborted)
      return Promise.reject(new JobferryError("CLOSED", "The queue is closed. Make another one."));
    if (this.#pushing !== undefined) return undefined;
    this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = undefined; // the next call tries again
      throw error;
    });
    return this.#opening;
  }

  async #open(): Promise<void> {
    const { clock, logger, completed, failed } = this.settings;
    const capabilities = await this.call("open", () =>
      this.driver.open({ clock, logger, retention: { completed, failed } }),
    );
    this.#checkDurability(capabilities);
    this.#capabilities = capabilities;
    this.#pushing = new Pushing(this.driver, this.settings, capabilities, this.closing);
  }

  #checkDurability({ durability }: Capabilities): void {
    const wanted = this.settings.durability;
    if (wanted === undefined || survives(durability, wanted)) return;
    throw new UnsupportedError(
      "durability",
      `durability "${wanted}" was asked for, but ${this.driver.name} as it is set up survives "${durability}". Change its settings (docs/guarantees.md), or ask for less.`,
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

  /** Leases on what could be read; what could not is finished here. `died` are jobs that the store itself failed. */
  async reserve(
    call: ReserveCall,
  ): Promise<Readonly<{ taken: readonly Taken[]; died: readonly StoredJob[]; nextDueInMs: number | undefined }>> {
    const sentAt = this.clock.monotonic();
    const result = await this.call("reserve", () => this.driver.reserve(call));
    const countedFrom = result.claimedAt ?? sentAt;
    const taken: Taken[] = [];
    const unreadable: Finish[] = [];
    for (const reservation of result.reservations) {
      const lease = new Lease(this.clock, reservation, countedFrom, call.leaseMs);
      const read = this.#intake.read(reservation);
      if ("outcome" in read) unreadable.push({ item: read, lease });
      else taken.push({ lease, envelope: read });
    }
    if (unreadable.length > 0) await this.#finishing.finish(unreadable);
    return { taken, died: result.died, nextDueInMs: result.nextDueInMs };
  }

  finish(items: readonly Finish[]): Promise<readonly FinishResult[]> {
    return this.#finishing.finish(items);
  }

  /** @throws LEASE_LOST, FINISH_UNKNOWN */
  async finishOne(item: FinishItem, lease: Lease): Promise<void> {
    const [result] = await this.#finishing.finish([{ item, lease }]);
    if (result === "lost") throw lease.lostError();
    if (result !== "ok") throw finishUnknown(item.reservation.job.id);
  }

  /** @throws LEASE_LOST */
  async extendLease(lease: Lease, leaseMs: number): Promise<void> {
    const sentAt = this.clock.monotonic();
    const [result] = await this.call("extend", () => this.driver.extend([{ reservation: lease.reservation, leaseMs }]));
    if (result !== "ok") throw lease.lostError();
    lease.renewed(sentAt, leaseMs);
  }

  encodeResult(result: unknown): Uint8Array | undefined {
    return this.settings.completed.count > 0 ? encodeResult(result) : undefined;
  }

  /** Waits for what was sent, then closes the driver. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const opening = this.#opening;
    this.#closing.abort(new JobferryError("CLOSED", "The queue is closed."));
    if (opening === undefined) return;
    await settledWithin(this.clock, opening, CLOSE_TIMEOUT_MS);
    const deadline = this.clock.monotonic() + CLOSE_TIMEOUT_MS;
    while (!this.#idle() && this.clock.monotonic() < deadline) await sleep(this.clock, DRAIN_POLL_MS);
    await this.call("close", () => this.driver.close());
  }

  #idle(): boolean {
    return (this.#pushing?.idle ?? true) && this.#finishing.idle;
  }
}
