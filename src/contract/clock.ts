/** An armed timer. Cancelling it twice, or after it fired, does nothing. */
export interface Timer {
  cancel(): void;
}

export type TimerOptions = Readonly<{
  /** Whether the timer alone keeps the process alive. Default: true. */
  keepAlive?: boolean;
}>;

/** The only source of time and chance. Nothing in Jobferry reads the clock of the process past it, so tests can run on a virtual one. */
export interface Clock {
  /** Wall clock: epoch milliseconds UTC. It may step in both directions. */
  now(): number;
  /** Milliseconds from an arbitrary start that never step back. Leases and deadlines of one process are measured with it. */
  monotonic(): number;
  /** Calls `callback` once, `delayMs` milliseconds from now and never earlier. Any finite length is allowed. */
  timer(delayMs: number, callback: () => void, options?: TimerOptions): Timer;
  /** A number in [0, 1), for jitter. */
  random(): number;
}
