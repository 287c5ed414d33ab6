import type { Clock, Logger } from "../../contract/index.ts";
import { isJobferryError, JobferryError } from "../../errors/index.ts";
import { sleep } from "../../runtime/index.ts";
import type { Taken } from "./drawing.ts";
import type { Parcel } from "./message.ts";
import type { Posting } from "./posting.ts";

export type Destination = (parcel: Parcel) => Posting;
export type Moved = (moved: readonly Taken[]) => void;

/** `since`: monotonic. `late` is told when it was moved. */
export type Move = Readonly<{ taken: Taken; to: Destination; late: Moved; since: number }>;

/** `refused`: surely not stored, and why. What is in neither is not held any more. */
export type Tried = Readonly<{ moved: readonly Taken[]; refused: readonly Taken[]; error: unknown }>;

const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 10_000;
/** Jobs with their payloads: then nothing more is taken before some are gone. */
const MAX_HELD = 1_000;
/** The server ends a connection that holds a message for 30 minutes (its consumer_timeout), and everything else that it holds with it. */
const MAX_AGE_MS = 600_000;
const TELL_AGAIN_MS = 60_000;

export type HeldMovesHost = Readonly<{
  clock: Clock;
  logger: Logger;
  tryMove: (taken: readonly Taken[], to: Destination) => Promise<Tried>;
  /** Back to the server as they are. */
  giveUp: (taken: readonly Taken[]) => Promise<void>;
  isLost: () => boolean;
  /** Told when nothing can be moved or given up any more. */
  failed: (error: unknown) => void;
}>;

/**
 * Jobs that must go somewhere which does not take them now: a store that is away, a broker with an alarm. Back to the server as they are they would be here again at once,
 * with one life less each time (627 in 2 s, 3.10.8). So they are held and tried again, all by one loop with a growing pause, as long as the connection lives.
 */
export class HeldMoves {
  readonly #host: HeldMovesHost;
  #waiting: Move[] = [];
  /** On their way just now. */
  #trying = 0;
  #error: unknown;
  #toldAt = -Infinity;
  readonly #closing = new AbortController();
  #isRunning = false;
  #loop: Promise<void> | undefined;

  constructor(host: HeldMovesHost) {
    this.#host = host;
  }

  hold(taken: readonly Taken[], to: Destination, late: Moved, error: unknown): void {
    if (taken.length === 0) return;
    const since = this.#host.clock.monotonic();
    for (const one of taken) this.#waiting.push({ taken: one, to, late, since });
    this.#tell(error);
    if (!this.#isRunning) this.#loop = this.#run().catch(this.#host.failed);
  }

  /** Out of it, because they can run here: what goes back to this queue, at most `max`, of which `free` may have lost lives. */
  take(to: Destination, queue: string, max: number, free: number): readonly Taken[] {
    const out: Taken[] = [];
    let lives = free;
    this.#waiting = this.#waiting.filter((move) => {
      const { fields } = move.taken.parcel;
      const suits = move.to === to && fields.queue === queue && out.length < max && (fields.losses === 0 || lives > 0);
      if (!suits) return true;
      if (fields.losses > 0) lives -= 1;
      out.push(move.taken);
      return false;
    });
    return out;
  }

  /** @throws UNAVAILABLE when so many are held that nothing more may be taken. */
  checkRoom(): void {
    if (this.#waiting.length + this.#trying < MAX_HELD) return;
    throw new JobferryError(
      "UNAVAILABLE",
      `${MAX_HELD} jobs that cannot be moved are held, so no more are taken: ${wordsOf(this.#error)}`,
      { retryable: true, cause: this.#error },
    );
  }

  /** One last try of what is held. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { clock, isLost } = this.#host;
    let pauseMs = FIRST_PAUSE_MS;
    let isLast = false;
    this.#isRunning = true;
    try {
      while (this.#waiting.length > 0 && !isLost() && !isLast) {
        await sleep(clock, pauseMs, this.#closing.signal, { keepAlive: false });
        isLast = this.#closing.signal.aborted;
        pauseMs = (await this.#tryAll()) ? FIRST_PAUSE_MS : Math.min(2 * pauseMs, MAX_PAUSE_MS);
      }
    } finally {
      this.#isRunning = false;
    }
  }

  /** Whether any could be moved. */
  async #tryAll(): Promise<boolean> {
    const { clock, isLost, giveUp, tryMove } = this.#host;
    const moves = this.#waiting.splice(0);
    this.#trying = moves.length;
    let any = false;
    for (const [to, ours] of Map.groupBy(moves, (move) => move.to)) {
      if (isLost()) break;
      const tried = await tryMove(
        ours.map(({ taken }) => taken),
        to,
      );
      const [moved, refused] = [new Set(tried.moved), new Set(tried.refused)];
      any ||= moved.size > 0;
      for (const { taken, late } of ours) if (moved.has(taken)) late([taken]);
      const tooOld = clock.monotonic() - MAX_AGE_MS;
      const left = ours.filter(({ taken }) => refused.has(taken));
      this.#waiting.push(...left.filter(({ since }) => since > tooOld));
      this.#trying -= ours.length;
      if (left.length > 0) this.#tell(tried.error);
      await giveUp(left.filter(({ since }) => since <= tooOld).map(({ taken }) => taken));
    }
    this.#trying = 0;
    return any;
  }

  #tell(error: unknown): void {
    this.#error = error;
    const { clock, logger } = this.#host;
    const now = clock.monotonic();
    if (now < this.#toldAt + TELL_AGAIN_MS) return;
    this.#toldAt = now;
    const jobs = this.#waiting.length;
    logger.warn(
      { driver: "rabbitmq", jobs },
      `${jobs} jobs cannot be moved now. They are held and tried again: ${wordsOf(error)}`,
    );
  }
}

/** Not the message of a client library: it may hold a password. */
function wordsOf(error: unknown): string {
  if (isJobferryError(error)) return error.message;
  const code = typeof error === "object" && error !== null && "code" in error ? ` (${String(error.code)})` : "";
  return `the server or the store of records does not take them${code}.`;
}
