import type { Attempt } from "./attempt.ts";

/** Told once an attempt, when its handler settled. */
export interface ExecutorListener {
  returned(attempt: Attempt, value: unknown): void;
  threw(attempt: Attempt, error: unknown): void;
  /** Whoever ran it is gone: the attempt is handed back at once, as a lost lease. */
  died(attempt: Attempt, error: Error): void;
  /** There is room again that was not there before, though no attempt ended. */
  roomier(): void;
  /** What went wrong was no attempt's own fault; the executor goes on by itself. */
  error(error: unknown): void;
}

/** Where handlers run: in this thread, in worker threads or in child processes. */
export interface Executor {
  /** How many attempts could start now. Less than the free slots while a child is being replaced. */
  readonly room: number;
  /** Whether this process outlives what kills a handler. */
  readonly isolates: boolean;
  start(listener: ExecutorListener): Promise<void>;
  /** Whether it takes this very attempt now. A job that may have killed children waits until it can run alone in one. */
  accepts(attempt: Attempt): boolean;
  /** Runs the handler; never throws. Called only for an attempt that it accepts, while fewer run than there are slots. */
  execute(attempt: Attempt): void;
  /** Ends a handler that ignored its signal. false when that cannot be done (inline). */
  kill(attempt: Attempt): boolean;
  /** Whether a handler for the name exists; undefined: it takes every name. */
  handles(name: string): boolean;
  stop(): Promise<void>;
}
