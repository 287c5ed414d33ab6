import type { Attempt } from "./attempt.ts";

/** Told once an attempt, when its handler settled. */
export interface ExecutorListener {
  returned(attempt: Attempt, value: unknown): void;
  threw(attempt: Attempt, error: unknown): void;
  /** Whoever ran it is gone: the attempt is handed back at once, as a lost lease. */
  died(attempt: Attempt, error: Error): void;
}

/** Where handlers run: in this thread, in worker threads or in child processes. */
export interface Executor {
  start(listener: ExecutorListener): Promise<void>;
  /** Runs the handler; never throws. Called only while fewer attempts run than there are slots. */
  execute(attempt: Attempt): void;
  /** Ends a handler that ignored its signal. false when that cannot be done (inline). */
  kill(attempt: Attempt): boolean;
  /** Whether a handler for the name exists; undefined: it takes every name. */
  handles(name: string): boolean;
  stop(): Promise<void>;
}
