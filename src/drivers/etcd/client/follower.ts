import { Bell } from "../../../runtime/index.ts";
import { EtcdRefusal, NoAnswer, STATUS } from "./failures.ts";
import type { EtcdEvent, WatchReply } from "./messages.ts";

/** The newest event of each key that changed, up to `revision`. `gap`: something was forgotten, or was too much; read everything. */
export type Changes = Readonly<{ events: readonly EtcdEvent[]; revision: bigint }>;

const MAX_KEYS = 10_000;
const MAX_BYTES = 8 * 1_048_576;

/** What a watch has heard and its reader has not taken yet: merged by key, and bounded. */
export class Follower {
  readonly prefix: string;
  readonly from: bigint;
  readonly #bell = new Bell();
  #pending = new Map<string, EtcdEvent>();
  #bytes = 0;
  #revision: bigint;
  /** Whether the last revision has come as a whole. */
  #isWhole = true;
  #hasGap = false;
  #isOver = false;
  #failure: Error | undefined;

  constructor(prefix: string, from: bigint) {
    this.prefix = prefix;
    this.from = from;
    this.#revision = from - 1n;
  }

  take(reply: WatchReply): void {
    // A store that is before the start has lost what the reader knows: it was restored from a backup.
    if (reply.compacted > 0n || reply.revision < this.from - 1n) this.#lose();
    else if (reply.canceled) this.fail(reasonOf(reply.reason));
    else if (!this.#hasGap) this.#add(reply);
    this.#bell.ring();
  }

  fail(failure: Error): void {
    this.#failure ??= failure;
    this.#bell.ring();
  }

  readonly end = (): void => {
    this.#isOver = true;
    this.#bell.ring();
  };

  /** undefined after `end`. @throws what it was failed with. */
  async next(): Promise<Changes | "gap" | undefined> {
    for (;;) {
      if (this.#isOver) return undefined;
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#hasGap) return "gap";
      if (this.#isWhole && this.#pending.size > 0) return this.#taken();
      await this.#bell.wait();
    }
  }

  #add({ events, isPart }: WatchReply): void {
    this.#isWhole = !isPart;
    for (const event of events) {
      this.#bytes += sizeOf(event) - sizeOf(this.#pending.get(event.key));
      this.#pending.set(event.key, event);
      this.#revision = event.revision;
    }
    if (this.#pending.size > MAX_KEYS || this.#bytes > MAX_BYTES) this.#lose();
  }

  #lose(): void {
    this.#hasGap = true;
    this.#pending = new Map();
  }

  #taken(): Changes {
    const events = [...this.#pending.values()];
    this.#pending = new Map();
    this.#bytes = 0;
    return { events, revision: this.#revision };
  }
}

const sizeOf = (event: EtcdEvent | undefined): number =>
  event === undefined ? 0 : event.key.length + (event.entry?.value.length ?? 0);

/** A watch is refused by text only. */
function reasonOf(reason: string): Error {
  if (/invalid auth token|auth store is old/.test(reason)) return new EtcdRefusal(STATUS.unauthenticated, reason);
  if (/permission denied/.test(reason)) return new EtcdRefusal(STATUS.permissionDenied, reason);
  return new NoAnswer("the server ended the watch");
}
