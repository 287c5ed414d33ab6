import type { Clock, ErrorCode } from "../../contract/index.ts";
import type { Room } from "./limits.ts";
import { type Part, sizeOf } from "./part.ts";

/** The servers may be told to take more, and nothing tells: then one transaction is tried again. */
const HOLDS_MS = 60_000;

/** What a store leaves for jobs, and what it has refused lately: servers may take less than their defaults, and most tell it only so. */
export class LearntRoom implements Room {
  readonly overwrite: number;
  readonly valueBytes: number;
  readonly payloadBytes: number;
  readonly atomic: number;
  readonly #room: Room;
  readonly #operations: Learnt;
  readonly #bytes: Learnt;

  constructor(clock: Clock, room: Room) {
    this.#room = room;
    this.#operations = new Learnt(clock);
    this.#bytes = new Learnt(clock);
    this.overwrite = room.overwrite;
    this.valueBytes = room.valueBytes;
    this.payloadBytes = room.payloadBytes;
    this.atomic = room.atomic;
  }

  get operations(): number {
    return Math.min(this.#room.operations, this.#operations.most);
  }

  get transactionBytes(): number {
    return Math.min(this.#room.transactionBytes, this.#bytes.most);
  }

  /** Several parts were refused with this code. Whether fewer may go: half of what was too much. */
  refused(parts: readonly Part[], code: ErrorCode): boolean {
    const { operations, bytes } = sizeOf(parts, this.overwrite);
    // What else is wrong with arguments the driver has looked at before.
    if (code === "INVALID_ARGUMENT") this.#operations.refused(operations);
    else if (code === "PAYLOAD_TOO_LARGE") this.#bytes.refused(bytes);
    else return false;
    return true;
  }
}

class Learnt {
  readonly #clock: Clock;
  #most = Infinity;
  #until = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get most(): number {
    // Asked for each transaction: mostly nothing was refused, and the clock is not read.
    if (this.#most !== Infinity && this.#clock.monotonic() >= this.#until) this.#most = Infinity;
    return this.#most;
  }

  refused(size: number): void {
    this.#most = Math.min(this.most, Math.floor(size / 2));
    this.#until = this.#clock.monotonic() + HOLDS_MS;
  }
}
