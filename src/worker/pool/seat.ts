import type { Clock, Timer } from "../../contract/index.ts";
import { JobferryError, PermanentError } from "../../errors/index.ts";
import { Deferred, settledWithin } from "../../runtime/index.ts";
import type { Attempt } from "../attempt.ts";
import type { ExecutorListener } from "../executor.ts";
import { makeOutcome } from "../outcome.ts";
import type { Channel, OpenChannel } from "./channel.ts";
import { packError, unpackAsError, unpackError } from "./error-parcel.ts";
import { packJob } from "./job-parcel.ts";
import type { FromChild, ToChild } from "./messages.ts";
import { Outgoing } from "./outgoing.ts";
import { Restarts } from "./restarts.ts";

/** How long a module may take to load: a handler module that never gets there must not hang `start()` for ever. */
const LOAD_TIMEOUT_MS = 60_000;
/** How long a child that was told to end may take before it is killed. */
const END_TIMEOUT_MS = 2_000;

export type SeatOptions = Readonly<{
  open: OpenChannel;
  module: URL;
  execArgv: readonly string[] | undefined;
  concurrency: number;
  clock: Clock;
}>;

/** One place for a child: starts it, gives it attempts, and puts another there when it dies. */
export class Seat {
  readonly #options: SeatOptions;
  readonly #listener: ExecutorListener;
  readonly #restarts: Restarts;
  readonly #running = new Map<number, Attempt>();
  readonly #outgoing: Outgoing<ToChild>;
  #channel: Channel | undefined;
  #ready = false;
  #ending = false;
  /** Set while the first child loads; a module that does not load is `start()`'s error and no crash loop. */
  #first: Deferred | undefined;
  #ended = new Deferred();
  #loadTimer: Timer | undefined;
  #restartTimer: Timer | undefined;
  #lastWords: Error | undefined;
  /** Why this pool itself kills the child. */
  #killedFor: string | undefined;
  #attempts = 0;
  /** "emptying": takes nothing more until it is idle, for a job that must run alone. */
  mode: "shared" | "emptying" | "alone" = "shared";
  /** Of the loaded module; undefined: every name. */
  names: readonly string[] | undefined;

  constructor(options: SeatOptions, listener: ExecutorListener) {
    this.#options = options;
    this.#listener = listener;
    this.#restarts = new Restarts(options.clock);
    this.#outgoing = new Outgoing((notes) => this.#channel?.send(notes), queueMicrotask);
  }

  get ready(): boolean {
    return this.#ready;
  }

  get running(): number {
    return this.#running.size;
  }

  /** How many attempts it could take now. */
  get room(): number {
    if (!this.#ready || (this.mode !== "shared" && this.running > 0)) return 0;
    return this.#options.concurrency - this.running;
  }

  /** Resolves when the module is loaded, or when `end()` came first. @throws MODULE_INVALID */
  start(): Promise<void> {
    this.#first = new Deferred();
    try {
      this.#spawn();
    } catch (error) {
      this.#first.reject(error);
    }
    return this.#first.promise;
  }

  run(attempt: Attempt): void {
    this.#attempts += 1;
    const n = this.#attempts;
    let note: ToChild;
    try {
      note = { kind: "run", n, job: packJob(attempt.lease.reservation.job) };
    } catch (error) {
      return this.#listener.threw(attempt, PermanentError.from(error));
    }
    this.#running.set(n, attempt);
    attempt.onAbort = (reason) => this.#outgoing.add({ kind: "abort", n, reason: packError(reason) });
    if (attempt.aborted !== undefined) attempt.onAbort(attempt.aborted);
    this.#outgoing.add(note);
  }

  /** Ends the child that runs the attempt; whatever else ran there is handed back. */
  kill(attempt: Attempt): boolean {
    for (const one of this.#running.values()) {
      if (one !== attempt) continue;
      this.#killedFor ??= attempt.job.id;
      this.#ready = false;
      this.#channel?.kill();
      return true;
    }
    return false;
  }

  /** Resolves when no child is left. */
  async end(): Promise<void> {
    this.#ending = true;
    this.#ready = false;
    this.#restartTimer?.cancel();
    const channel = this.#channel;
    if (channel === undefined) return;
    if (this.running === 0) {
      channel.send([{ kind: "end" }]);
      if (await settledWithin(this.#options.clock, this.#ended.promise, END_TIMEOUT_MS)) return;
    }
    channel.kill();
    await this.#ended.promise;
  }

  #spawn(): void {
    const { open, module, execArgv, clock } = this.#options;
    this.#ended = new Deferred();
    this.#lastWords = undefined;
    this.#killedFor = undefined;
    const channel = open(execArgv, {
      received: (notes) => notes.forEach((note) => this.#received(note)),
      ended: (how) => this.#childEnded(channel, how),
    });
    this.#channel = channel;
    channel.send([{ kind: "load", module: module.href, parentPid: process.pid }]);
    this.#loadTimer = clock.timer(LOAD_TIMEOUT_MS, () => {
      this.#lastWords = moduleError(module, `It was not loaded within ${LOAD_TIMEOUT_MS / 1_000} s.`);
      channel.kill();
    });
  }

  #received(note: FromChild): void {
    switch (note.kind) {
      case "loaded":
        return this.#loaded(note.names);
      case "notLoaded":
        this.#lastWords = unpackAsError(note.error);
        this.#channel?.kill();
        return;
      case "dying":
        this.#lastWords = unpackAsError(note.error);
        return;
      case "extend":
        return this.#extend(note.n, note.call, note.leaseMs);
      case "returned":
        return this.#settle(note.n, (attempt) => this.#listener.returned(attempt, note.value));
      case "uncloned":
        return this.#settle(note.n, (attempt) => {
          this.#listener.error(uncloned(attempt, note.why));
          this.#listener.returned(attempt, undefined);
        });
      case "outcome":
        return this.#settle(note.n, (attempt) => this.#listener.returned(attempt, makeOutcome(note.outcome)));
      case "threw":
        return this.#settle(note.n, (attempt) => this.#listener.threw(attempt, unpackError(note.error)));
    }
  }

  #loaded(names: readonly string[] | undefined): void {
    this.#loadTimer?.cancel();
    if (this.#ending) return;
    this.names = names;
    this.#ready = true;
    this.mode = "shared";
    this.#restarts.ready();
    if (this.#first !== undefined) {
      this.#first.resolve();
      this.#first = undefined;
    } else this.#listener.roomier();
  }

  #settle(n: number, tell: (attempt: Attempt) => void): void {
    const attempt = this.#take(n);
    if (attempt !== undefined) tell(attempt);
  }

  #take(n: number): Attempt | undefined {
    const attempt = this.#running.get(n);
    if (attempt === undefined) return undefined;
    this.#running.delete(n);
    attempt.onAbort = undefined;
    return attempt;
  }

  #extend(n: number, call: number, leaseMs: number): void {
    const attempt = this.#running.get(n);
    const extended =
      attempt === undefined
        ? Promise.reject(new JobferryError("LEASE_LOST", "The attempt has ended, so its lease cannot be extended."))
        : attempt.extend(leaseMs);
    extended.then(
      () => this.#outgoing.add({ kind: "extended", call, error: undefined }),
      (error: unknown) => this.#outgoing.add({ kind: "extended", call, error: packError(error) }),
    );
  }

  #childEnded(channel: Channel, how: string): void {
    const killedFor = this.#killedFor;
    const lastWords = this.#lastWords;
    this.#loadTimer?.cancel();
    this.#channel = undefined;
    this.#ready = false;
    const attempts = [...this.#running.keys()].map((n) => this.#take(n)).filter((one) => one !== undefined);
    if (!this.#ending && this.#first === undefined) this.#replace(channel, how, attempts.length);
    const error = diedError(
      killedFor === undefined
        ? `The child ${channel.name} that ran the job died (${how}).`
        : `The child ${channel.name} that ran the job was killed, because job ${killedFor}, which ran there too, ignored its signal.`,
      lastWords,
    );
    for (const attempt of attempts) this.#listener.died(attempt, error);
    if (this.#ending) this.#first?.resolve();
    else this.#first?.reject(this.#startError(how));
    this.#first = undefined;
    this.#ended.resolve();
  }

  #startError(how: string): Error {
    const { module, execArgv } = this.#options;
    if (this.#lastWords?.message.startsWith("The handler module") === true) return this.#lastWords;
    const hint = execArgv === undefined ? "" : ` Check execArgv (${execArgv.join(" ")}) too.`;
    return moduleError(module, `The child ended while it loaded it (${how}).${hint}`, this.#lastWords);
  }

  /** A child that this pool killed itself is replaced at once: what its job did is told by the job's own event. */
  #replace(channel: Channel, how: string, running: number): void {
    const { clock } = this.#options;
    const planned = this.#killedFor !== undefined;
    const { delayMs, inARow } = planned ? { delayMs: 0, inARow: 0 } : this.#restarts.died();
    if (!planned) {
      const row = inARow === 1 ? "" : ` That is death ${inARow} in a row.`;
      const next = delayMs === 0 ? "at once" : `in ${Math.round(delayMs)} ms`;
      const why = this.#lastWords === undefined ? how : `${how}: ${this.#lastWords.message}`;
      const jobs = running === 1 ? "1 job" : `${running} jobs`;
      const message = `The pool's child ${channel.name} died (${why}) while it ran ${jobs}, which the pool hands back.${row} Another one starts ${next}.`;
      this.#listener.error(diedError(message, this.#lastWords));
    }
    this.#restartTimer = clock.timer(delayMs, () => this.#respawn());
  }

  #respawn(): void {
    if (this.#ending) return;
    try {
      this.#spawn();
    } catch (error) {
      const { delayMs } = this.#restarts.died();
      this.#listener.error(error);
      this.#restartTimer = this.#options.clock.timer(delayMs, () => this.#respawn());
    }
  }
}

function diedError(message: string, cause: unknown): JobferryError {
  return new JobferryError("WORKER_DIED", message, cause === undefined ? {} : { cause });
}

function uncloned({ job }: Attempt, why: string): JobferryError {
  return new JobferryError(
    "PAYLOAD_INVALID",
    `The result of job ${job.id} cannot be cloned, so it does not reach the pool and the job is completed without: ${why} Return plain data, or nothing.`,
  );
}

function moduleError(module: URL, why: string, cause?: unknown): JobferryError {
  const message = `The handler module ${module.pathname} does not load. ${why}`;
  return new JobferryError("MODULE_INVALID", message, cause === undefined ? {} : { cause });
}
