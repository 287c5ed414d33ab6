import type { Clock, CoordinationEntry, Revision, Timer, WatchEvent } from "../../contract/index.ts";
import type { Bell } from "../../runtime/index.ts";
import type { Watching } from "./guarded-store.ts";
import { WatchedState } from "./watched-state.ts";

/**
 * How many keys a prefix has, and the highest version among them. Two states that are equal in both are the same: a put that is still there has
 * raised the version, and without one there were only deletes, which lower the number.
 */
export type Fingerprint = Readonly<{ keys: number; newest: string }>;

/** `nextEndMs`: until a session ends that nobody renews; below 0 when it should have been ended. */
export type Look = Readonly<{ found: readonly Fingerprint[]; nextEndMs: number | undefined }>;

/** The state of a prefix. `changed` and `removed`: the versions of the last change and of the last removal, of the area at least. */
export type Snapshot = Readonly<{
  entries: readonly CoordinationEntry[];
  revision: Revision;
  changed: bigint;
  removed: bigint;
}>;

/** `mend`: they do not seem to arrive. */
export type Hints = Readonly<{ start(): void; stop(): void; mend?(): void }>;

/** Clients that see the same end would all write it at the same moment. */
const JITTER_MS = 25;
/** Looks one after the other that found what no hint told. One is no sign: the hint may be on its way. */
const UNTOLD_LOOKS = 2;

type PrefixWatch = { readonly prefix: string; readonly bell: Bell; seen: Fingerprint | undefined };

/**
 * The watches of one client of a store that can only say "something changed". Hints (a notification, a stream) name keys and wake the watches
 * that they concern, and nobody else: who waits in a line watches one key. Every `pollMs`, and when a session must have ended, one request looks at
 * the prefixes of all watches together.
 */
export class PrefixWatches {
  pollMs: number;
  readonly #clock: Clock;
  readonly #ask: (prefixes: readonly string[]) => Promise<Look>;
  readonly #watches = new Set<PrefixWatch>();
  #hints: Hints | undefined;
  #timer: Timer | undefined;
  #looking = false;
  #again = false;
  #wasTold = false;
  #untold = 0;
  #closed = false;

  /** `ask` also ends sessions that are past their time. */
  constructor(clock: Clock, pollMs: number, ask: (prefixes: readonly string[]) => Promise<Look>) {
    this.#clock = clock;
    this.pollMs = pollMs;
    this.#ask = ask;
  }

  /** Started while anybody watches. */
  set hints(hints: Hints) {
    this.#hints = hints;
  }

  /** A hint: these keys changed. */
  told(keys: readonly string[]): void {
    this.#wasTold = true;
    this.changed(keys);
  }

  changed(keys: readonly string[]): void {
    for (const { prefix, bell } of this.#watches) if (keys.some((key) => key.startsWith(prefix))) bell.ring();
  }

  /** Anything may have changed. */
  look(): void {
    if (this.#watches.size === 0 || this.#closed) return;
    if (this.#looking) this.#again = true;
    else void this.#look();
  }

  close(): void {
    this.#closed = true;
    this.#rest();
  }

  /** `since`: up to which version the caller knows the state. */
  async *watch(
    prefix: string,
    since: bigint | undefined,
    { over, bell }: Watching,
    read: () => Promise<Snapshot>,
  ): AsyncGenerator<WatchEvent, void, undefined> {
    const watch: PrefixWatch = { prefix, bell, seen: undefined };
    this.#add(watch);
    try {
      yield* this.#follow(watch, since, over, read);
    } finally {
      this.#watches.delete(watch);
      if (this.#watches.size === 0) this.#rest();
    }
  }

  async *#follow(
    watch: PrefixWatch,
    since: bigint | undefined,
    over: AbortSignal,
    read: () => Promise<Snapshot>,
  ): AsyncGenerator<WatchEvent, void, undefined> {
    const state = new WatchedState();
    let snapshot = await read();
    // Not before: making the connection for hints takes some clients a second, and the look that follows it finds what came meanwhile.
    if (!over.aborted) this.#hints?.start();
    if (since === undefined || since < snapshot.removed || since > snapshot.changed)
      yield state.reset(snapshot.entries, snapshot.revision);
    else
      state.reset(
        snapshot.entries.filter(({ version }) => BigInt(version) <= since),
        snapshot.revision,
      );
    while (!over.aborted) {
      watch.seen = fingerprintOf(snapshot.entries);
      const event = state.change(snapshot.entries, snapshot.revision);
      if (event !== undefined) yield event;
      await watch.bell.wait();
      if (!over.aborted) snapshot = await read();
    }
  }

  #add(watch: PrefixWatch): void {
    this.#watches.add(watch);
    if (this.#watches.size > 1) return;
    this.#arm(this.pollMs);
  }

  #judgeHints(foundNews: boolean): void {
    this.#untold = foundNews && !this.#wasTold ? this.#untold + 1 : 0;
    this.#wasTold = false;
    if (this.#untold < UNTOLD_LOOKS) return;
    this.#untold = 0;
    this.#hints?.mend?.();
  }

  #rest(): void {
    this.#timer?.cancel();
    this.#hints?.stop();
  }

  #arm(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.timer(Math.min(this.pollMs, delayMs), () => this.look(), { keepAlive: false });
  }

  async #look(): Promise<void> {
    this.#looking = true;
    let nextEndMs: number | undefined;
    do {
      this.#again = false;
      const watches = [...this.#watches];
      try {
        const look = await this.#ask(watches.map(({ prefix }) => prefix));
        nextEndMs = look.nextEndMs;
        const news = watches.filter(({ seen }, index) => !isSame(seen, look.found[index]));
        for (const { bell } of news) bell.ring();
        this.#judgeHints(news.some(({ seen }) => seen !== undefined));
      } catch {
        // The store is away: the next look tries again.
      }
    } while (this.#again && !this.#closed);
    this.#looking = false;
    if (this.#watches.size === 0 || this.#closed) return;
    this.#arm(Math.max(1, nextEndMs ?? Infinity) + JITTER_MS * this.#clock.random());
  }
}

const isSame = (seen: Fingerprint | undefined, found: Fingerprint | undefined): boolean =>
  seen !== undefined && seen.keys === found?.keys && seen.newest === found.newest;

function fingerprintOf(entries: readonly CoordinationEntry[]): Fingerprint {
  const newest = entries.reduce((most, { version }) => (BigInt(version) > most ? BigInt(version) : most), 0n);
  return { keys: entries.length, newest: String(newest) };
}
