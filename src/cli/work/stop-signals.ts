import { EXIT } from "../exit-codes.ts";
import type { Terminal } from "../terminal.ts";

/** What signals do to; a Worker or a WorkerPool. */
export interface Stoppable {
  stop(options: Readonly<{ timeout?: number; reason?: "signal" }>): Promise<void>;
  pause(): void;
  resume(): void;
}

const ENDS: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGBREAK"];

/**
 * Signals as docs/guides/cli.md has them: the first SIGINT or SIGTERM drains, the second aborts, the third exits at once; each says what the
 * next one does. SIGQUIT hands running jobs back now, SIGTSTP stops fetching, SIGCONT fetches again, SIGUSR2 drains.
 */
export class StopSignals {
  readonly #terminal: Terminal;
  readonly #target: Stoppable;
  readonly #listeners: (readonly [NodeJS.Signals, () => void])[];
  #ends = 0;
  #isQuiet = false;
  /** Set when a second signal did not let running jobs end. */
  forced: number | undefined;

  constructor(terminal: Terminal, target: Stoppable) {
    this.#terminal = terminal;
    this.#target = target;
    this.#listeners = [
      ...ENDS.map((signal) => [signal, () => this.#end(signal)] as const),
      ["SIGUSR2", () => this.#drain("SIGUSR2")],
      ["SIGQUIT", () => this.#release()],
      ["SIGTSTP", () => this.#quiet()],
      ["SIGCONT", () => this.#fetch()],
    ];
    for (const [signal, listener] of this.#listeners) process.on(signal, listener);
  }

  off(): void {
    for (const [signal, listener] of this.#listeners) process.off(signal, listener);
  }

  #end(signal: NodeJS.Signals): void {
    this.#ends += 1;
    const code = signal === "SIGTERM" ? EXIT.terminated : EXIT.interrupted;
    if (this.#ends > 2) process.exit(code);
    if (this.#ends === 1) return this.#drain(signal);
    this.forced = code;
    this.#terminal.note(`${signal}: aborting running jobs; they go back to the queue. Once more exits at once.`);
    this.#stop({ timeout: 0, reason: "signal" });
  }

  #drain(signal: NodeJS.Signals): void {
    this.#terminal.note(`${signal}: no new jobs; waiting for running ones. Once more aborts them.`);
    this.#stop({ reason: "signal" });
  }

  #release(): void {
    this.#terminal.note("SIGQUIT: handing running jobs back now.");
    this.#stop({ timeout: 0, reason: "signal" });
  }

  #quiet(): void {
    this.#isQuiet = true;
    this.#terminal.note("SIGTSTP: no new jobs until SIGCONT; running ones go on.");
    this.#target.pause();
  }

  /** Also sent behind a SIGTERM, by systemd for example, and to a process that was stopped by others: then there is nothing to go on with. */
  #fetch(): void {
    if (!this.#isQuiet) return;
    this.#isQuiet = false;
    this.#terminal.note("SIGCONT: fetching jobs.");
    this.#target.resume();
  }

  #stop(options: Readonly<{ timeout?: number; reason: "signal" }>): void {
    this.#target.stop(options).catch((error: unknown) => this.#terminal.warn(String(error)));
  }
}
