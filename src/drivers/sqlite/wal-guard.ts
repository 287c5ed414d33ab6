import type { Clock } from "../../contract/index.ts";
import { settledWithin, sleep } from "../../runtime/index.ts";
import type { SqliteDatabase, SqliteStatement } from "./database.ts";
import type { SideThread } from "./side-thread.ts";

/** Frames (pages of 4 KB) in the WAL above which a checkpoint is started in the side thread. */
const START_FRAMES = 4_000;
/** And above which writers wait for it, as soon as one has caught up or as many as above were written meanwhile: while somebody writes, the WAL cannot start again from its beginning. */
const WAIT_FRAMES = 16_000;
/** The size is looked at after about so many pages of our own. */
const LOOK_EVERY_PAGES = 400;
/** How long one wait may take: a reader that keeps a transaction open (a backup) can hold the checkpoint up for as long as it likes. */
const MAX_WAIT_MS = 250;

type WalState = Readonly<{ log: number; checkpointed: number }>;

/**
 * Keeps the WAL short without a checkpoint on the main thread (15 to 100 ms each). Every process looks by itself: above the limit all writers
 * pause, one of them gets the checkpoint lock, and the first to write afterwards begins the WAL anew.
 */
export class WalGuard {
  readonly #clock: Clock;
  readonly #thread: SideThread;
  readonly #state: SqliteStatement;
  readonly #onMainThread: SqliteStatement;
  #pages = 0;
  #limit = WAIT_FRAMES;
  #running: Promise<void> | undefined;
  #full = false;
  #catchingUp = false;
  #stopped = false;

  constructor(database: SqliteDatabase, clock: Clock, thread: SideThread) {
    this.#clock = clock;
    this.#thread = thread;
    this.#state = database.prepare("PRAGMA wal_checkpoint(NOOP)");
    this.#onMainThread = database.prepare("PRAGMA wal_checkpoint(PASSIVE)");
  }

  /** Before the connection closes. What runs in the thread ends there. */
  stop(): void {
    this.#stopped = true;
  }

  wrote(pages: number): void {
    this.#pages += pages;
    if (this.#pages < LOOK_EVERY_PAGES) return;
    this.#pages = 0;
    const { log, checkpointed } = this.#look();
    if (log < WAIT_FRAMES) this.#limit = WAIT_FRAMES;
    if (log - checkpointed >= START_FRAMES) void this.#checkpoint();
    if (log < this.#limit || log === checkpointed) this.#full = false;
    else if (log >= this.#limit + START_FRAMES) this.#full = true;
    else if (!this.#catchingUp) void this.#catchUp();
  }

  /** Most of what there is to copy need not be waited for: the pause is for what is written until this has ended. */
  async #catchUp(): Promise<void> {
    this.#catchingUp = true;
    await this.#checkpoint();
    this.#catchingUp = false;
    const { log, checkpointed } = this.#look();
    this.#full = log >= this.#limit && log !== checkpointed;
  }

  /** undefined when writing may go on at once. Never rejects. */
  shorter(): Promise<void> | undefined {
    return this.#full ? this.#wait() : undefined;
  }

  async #wait(): Promise<void> {
    const deadline = this.#clock.monotonic() + MAX_WAIT_MS;
    for (;;) {
      const left = deadline - this.#clock.monotonic();
      const { log, checkpointed } = this.#look();
      if (log < this.#limit || log === checkpointed) break;
      if (left <= 0) {
        // Somebody reads an old snapshot. The WAL may grow by as much again before the next wait.
        this.#limit = log + WAIT_FRAMES;
        break;
      }
      await settledWithin(this.#clock, this.#checkpoint(), left);
      if (this.#look().checkpointed < log) await sleep(this.#clock, 1 + this.#clock.random() * 4);
    }
    this.#full = false;
  }

  /** Called after COMMIT, where an error would tell the caller that nothing was stored: then nothing is known. */
  #look(): WalState {
    try {
      return this.#state.get() as WalState;
    } catch {
      return { log: 0, checkpointed: 0 };
    }
  }

  /** Joins the one that runs. */
  #checkpoint(): Promise<void> {
    this.#running ??= this.#run().finally(() => (this.#running = undefined));
    return this.#running;
  }

  /** Never rejects: what a full or failing disk refuses is tried again at the next look, and writes tell of it themselves. */
  async #run(): Promise<void> {
    try {
      if (!this.#thread.broken) return void (await this.#thread.call({ kind: "checkpoint" }));
    } catch {
      // Below.
    }
    try {
      // A bundler that left the thread's file out, for example. Slow, but the WAL must not grow without end.
      if (this.#thread.broken && !this.#stopped) this.#onMainThread.get();
    } catch {
      // As above.
    }
  }
}
