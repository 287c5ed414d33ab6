import type { Compare } from "../contract/index.ts";
import type { JobferryError } from "../errors/index.ts";
import type { KeptSession } from "../runtime/index.ts";

export type LockParts = Readonly<{
  name: string;
  key: string;
  token: bigint;
  session: KeptSession;
  /** Gives the place up in the store. */
  giveUp(): Promise<void>;
}>;

/**
 * A lock that is held. It alone does not keep two from acting at once: a process that stands still may wake up after its time. So hand `token`
 * to the resource, which refuses one that is lower than the highest it has seen.
 */
export class Lock implements AsyncDisposable {
  readonly name: string;
  /** Rises with every holder of this lock. */
  readonly token: bigint;
  readonly #parts: LockParts;
  readonly #lost = new AbortController();
  readonly #onLost: () => void;
  #released: Promise<void> | undefined;

  constructor(parts: LockParts) {
    this.name = parts.name;
    this.token = parts.token;
    this.#parts = parts;
    this.#onLost = () => this.#lost.abort(parts.session.lost.reason);
    this.#listen();
  }

  #listen(): void {
    const { session } = this.#parts;
    if (session.isLive) session.lost.addEventListener("abort", this.#onLost, { once: true });
    else this.#onLost();
  }

  /** Fires before anybody else can get the lock, unless this whole process stands still. Reason: SESSION_LOST, or SHUTDOWN of the cluster. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Looks at the clock, which `lost` after a pause of the process has not done yet. */
  get held(): boolean {
    return this.#released === undefined && this.#parts.session.isLive && !this.#lost.signal.aborted;
  }

  /** For a transaction in the cluster's own store: it counts only while this lock is held. */
  get guard(): Compare {
    return { key: this.#parts.key, version: String(this.token) };
  }

  /** The next in the line has it at once. Idempotent; a lost lock has nothing to release. Where the store refuses, it is still held: ask again. */
  release(): Promise<void> {
    this.#released ??= this.#release().catch((error: unknown) => {
      this.#released = undefined;
      this.#listen();
      throw error;
    });
    return this.#released;
  }

  async #release(): Promise<void> {
    this.#parts.session.lost.removeEventListener("abort", this.#onLost);
    if (!this.#lost.signal.aborted) await this.#parts.giveUp();
  }

  /** The cluster stops. */
  end(reason: JobferryError): void {
    if (this.#released === undefined) this.#lost.abort(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }
}
