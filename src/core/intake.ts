import type { Driver, FinishItem, JobFailure, Reservation } from "../contract/index.ts";
import { failureFrom, isJobferryError, type JobferryError } from "../errors/index.ts";
import { decodeEnvelope, type Envelope } from "./envelope.ts";
import { decodePayload } from "./payload.ts";
import { QueuedItem } from "./queued-item.ts";
import type { QueueSettings } from "./queue-options.ts";

/** `payload` where it had to be decoded to know that it can be: nobody need do it again. */
export type Readout = Readonly<{ envelope: Envelope; payload: Readonly<{ value: unknown }> | undefined }>;

const MAX_REMEMBERED = 10_000;
const NEWER_DELAY_MS = 5_000;

/** Where this process found the damage tells nobody anything, and a stack is dear to build for each of many. */
function withoutStack({ code, name, message }: JobferryError): JobFailure {
  return { code, name, message, stack: undefined };
}

/** Reads what was reserved. A damaged job is parked in failed, one of a newer version is handed back for processes that can read it. */
export class Intake {
  readonly #driver: Driver<never>;
  readonly #settings: QueueSettings;
  readonly #maxDelayMs: () => number;
  /** When this process first saw a job of a newer version, monotonic. */
  readonly #newer = new Map<string, number>();

  /** `maxDelayMs`: the longest delay that the store keeps, asked when it is open. */
  constructor(driver: Driver<never>, settings: QueueSettings, maxDelayMs: () => number) {
    this.#driver = driver;
    this.#settings = settings;
    this.#maxDelayMs = maxDelayMs;
  }

  /** What was read, or how the reservation must be finished instead of being run. */
  read(reservation: Reservation): Readout | FinishItem {
    const { item } = reservation.job;
    if (item instanceof QueuedItem) return { envelope: item.envelopeFields, payload: undefined };
    try {
      const envelope = decodeEnvelope(reservation.job.envelope);
      return { envelope, payload: { value: decodePayload(envelope.kind, reservation.job.payload) } };
    } catch (error) {
      return this.#unreadable(reservation, error);
    }
  }

  #unreadable(reservation: Reservation, error: unknown): FinishItem {
    const failure = isJobferryError(error) ? withoutStack(error) : failureFrom(error, "ENVELOPE_DAMAGED");
    const { id } = reservation.job;
    const { clock, versionGraceMs, logger } = this.#settings;
    if (isJobferryError(error, "ENVELOPE_NEWER")) {
      const firstSeen = this.#newer.get(id) ?? clock.monotonic();
      if (clock.monotonic() - firstSeen < versionGraceMs) {
        this.#remember(id, firstSeen);
        return {
          reservation,
          outcome: "release",
          delayMs: Math.min(NEWER_DELAY_MS, versionGraceMs, this.#maxDelayMs()),
          refund: true,
          failure,
        };
      }
      this.#newer.delete(id);
    }
    logger.error(
      { id, code: failure.code, driver: this.#driver.name },
      `Job ${id} cannot be read and is parked in failed: ${failure.message}`,
    );
    return { reservation, outcome: "fail", failure };
  }

  /** Others may have run or parked a job meanwhile: what is older than any grace is forgotten, oldest first. */
  #remember(id: string, firstSeen: number): void {
    if (this.#newer.size >= MAX_REMEMBERED) {
      const stale = this.#settings.clock.monotonic() - 2 * this.#settings.versionGraceMs;
      for (const [old, at] of this.#newer) {
        if (at > stale) break;
        this.#newer.delete(old);
      }
    }
    if (this.#newer.has(id) || this.#newer.size < MAX_REMEMBERED) this.#newer.set(id, firstSeen);
  }
}
