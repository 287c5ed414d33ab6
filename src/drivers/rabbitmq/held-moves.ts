import type { Clock, Logger } from "../../contract/index.ts";
import { isJobferryError, JobferryError } from "../../errors/index.ts";
import { sleep } from "../../runtime/index.ts";
import type { Taken } from "./drawing.ts";
import type { Parcel } from "./message.ts";
import type { Posting } from "./posting.ts";

export type Destination = (parcel: Parcel) => Posting;
export type Moved = (moved: readonly Taken[]) => void;

/** `since`: monotonic. `late` is told when it was moved. */
type Move = Readonly<{ taken: Taken; to: Destination; late: Moved; since: number }>;

/** `refused`: not stored by this try, and why. What is in neither is not held any more. */
export type Tried = Readonly<{ moved: readonly Taken[]; refused: readonly Taken[]; error: unknown }>;

const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 10_000;
/** Of one try, so that no store gets more at once than a call of a user may hold. */
const PORTION = 100;
const PORTION_BYTES = 16 * 1024 * 1024;
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
  /** Is waited for before the connection is closed; a rejection ends the connection. */
  inBackground: (trying: Promise<void>) => void;
}>;

/**
 * Jobs that must go somewhere which does not take them now: a store that is away, a broker with an alarm. Back to the server as they are they would be here again at once,
 * with one life less each time (627 in 2 s, 3.10.8). So they are held and tried again with a growing pause, each destination by itself, as long as the connection lives.
 */
export class HeldMoves {
  readonly #host: HeldMovesHost;
  #waiting: Move[] = [];
  /** On their way just now, for the first time or again. */
  #underWay = 0;
  readonly #loops = new Set<Destination>();
  #error: unknown;
  #toldAt = -Infinity;
  /** Not one promise that lives as long as the session: each race with it would stay in memory as long (312 bytes a wait). */
  readonly #watchers = new Set<() => void>();
  readonly #closing = new AbortController();

  constructor(host: HeldMovesHost) {
    this.#host = host;
  }

  /** Moves them, or holds what is refused. Resolves after the first try to what was moved; `late` is told of the others. */
  async moveOrHold(taken: readonly Taken[], to: Destination, late: Moved): Promise<readonly Taken[]> {
    const { moved, refused, error } = await this.#try(taken, to);
    if (refused.length === 0) return moved;
    const since = this.#host.clock.monotonic();
    for (const one of refused) this.#waiting.push({ taken: one, to, late, since });
    this.#tell(error);
    this.#wake();
    if (!this.#loops.has(to)) {
      this.#loops.add(to);
      this.#host.inBackground(this.#run(to));
    }
    return moved;
  }

  /** Calls back when something may be taken that could not be before. Returns how to end that. */
  onMore(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  #wake(): void {
    for (const watcher of this.#watchers) watcher();
  }

  /**
   * Out of it, because they can run here: what goes back to this queue, at most `max`, of which `free` may have lost lives. What has no life left is
   * for the next reader to bury.
   */
  take(to: Destination, queue: string, max: number, free: number): readonly Taken[] {
    const out: Taken[] = [];
    if (this.#waiting.length === 0 || this.#host.isLost()) return out;
    let lives = free;
    this.#waiting = this.#waiting.filter((move) => {
      const { losses, maxLosses, queue: of } = move.taken.parcel.fields;
      const canRun = losses === 0 || (losses < maxLosses && lives > 0);
      if (move.to !== to || of !== queue || out.length >= max || !canRun) return true;
      if (losses > 0) lives -= 1;
      out.push(move.taken);
      return false;
    });
    return out;
  }

  /** @throws UNAVAILABLE when so many are held that nothing more may be taken. */
  checkRoom(): void {
    if (this.#waiting.length + this.#underWay < MAX_HELD) return;
    throw new JobferryError(
      "UNAVAILABLE",
      `${MAX_HELD} jobs that cannot be moved are held, so no more are taken: ${wordsOf(this.#error)}`,
      { retryable: true, cause: this.#error },
    );
  }

  /** One last try of what is held. */
  close(): void {
    this.#closing.abort();
  }

  async #try(taken: readonly Taken[], to: Destination): Promise<Tried> {
    this.#underWay += taken.length;
    try {
      return await this.#host.tryMove(taken, to);
    } finally {
      this.#underWay -= taken.length;
    }
  }

  async #run(to: Destination): Promise<void> {
    const { clock, isLost } = this.#host;
    const isOurs = (move: Move): boolean => move.to === to;
    let pauseMs = FIRST_PAUSE_MS;
    let isLast = false;
    try {
      while (this.#waiting.some(isOurs) && !isLost() && !isLast) {
        await sleep(clock, pauseMs, this.#closing.signal, { keepAlive: false });
        isLast = this.#closing.signal.aborted;
        await this.#giveUpOld(to);
        const moved = await this.#tryAll(to);
        pauseMs = moved ? FIRST_PAUSE_MS : Math.min(2 * pauseMs, MAX_PAUSE_MS);
      }
    } finally {
      // In the same turn as the last look at what waits: what comes after it starts a loop of its own.
      this.#loops.delete(to);
    }
  }

  /** Portion by portion, until one is not moved whole. Whether any was moved. */
  async #tryAll(to: Destination): Promise<boolean> {
    const { isLost } = this.#host;
    let any = false;
    for (;;) {
      const portion = this.#portion(to);
      if (portion.length === 0 || isLost()) return any;
      const { moved, refused, error } = await this.#try(
        portion.map(({ taken }) => taken),
        to,
      );
      const [gone, left] = [new Set(moved), new Set(refused)];
      any ||= gone.size > 0;
      for (const { taken, late } of portion) if (gone.has(taken)) late([taken]);
      if (left.size === 0) continue;
      this.#waiting.push(...portion.filter(({ taken }) => left.has(taken)));
      this.#tell(error);
      this.#wake();
      return any;
    }
  }

  async #giveUpOld(to: Destination): Promise<void> {
    const tooOld = this.#host.clock.monotonic() - MAX_AGE_MS;
    const isOld = (move: Move): boolean => move.to === to && move.since <= tooOld;
    const old = this.#waiting.filter(isOld);
    this.#waiting = this.#waiting.filter((move) => !isOld(move));
    await this.#host.giveUp(old.map(({ taken }) => taken));
  }

  #portion(to: Destination): readonly Move[] {
    const portion: Move[] = [];
    let bytes = 0;
    this.#waiting = this.#waiting.filter((move) => {
      const size = move.taken.message.content.length;
      const fits = portion.length === 0 || (portion.length < PORTION && bytes + size <= PORTION_BYTES);
      if (move.to !== to || !fits) return true;
      bytes += size;
      portion.push(move);
      return false;
    });
    return portion;
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
      `${jobs === 1 ? "A job" : `${jobs} jobs`} cannot be moved now, but will be held and tried again: ${wordsOf(error)}`,
    );
  }
}

/** Not the message of a client library: it may hold a password. */
function wordsOf(error: unknown): string {
  if (isJobferryError(error)) return error.message;
  const code = typeof error === "object" && error !== null && "code" in error ? ` (${String(error.code)})` : "";
  return `the server or the store of records does not take them${code}.`;
}
