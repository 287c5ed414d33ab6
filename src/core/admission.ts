import type { Clock, Timer } from "../contract/index.ts";
import { JobferryError } from "../errors/index.ts";
import { Deferred } from "../runtime/index.ts";
import { WaitingLine } from "./waiting-line.ts";

/** `onDeadline` is let go of when the call ends, because a payload hangs on it and the ticket may lie here for a while. */
type Ticket = { readonly deadline: number; onDeadline: (() => void) | undefined };
type Waiter = { readonly items: number; readonly bytes: number; readonly admitted: Deferred; waits: boolean };

/** Below so many, tickets of calls that ended are not worth a sweep. */
const FEW_TICKETS = 1_000;

export type AdmissionLimits = Readonly<{ items: number; bytes: number; timeoutMs: number }>;

/**
 * Bounds what waits to be sent: further calls wait for room. Every call has the same time, so the tickets are in order of their
 * deadlines and one timer serves them all; it is left armed when calls come and go quickly, and does not keep the process alive.
 */
export class Admission {
  readonly #clock: Clock;
  readonly #limits: AdmissionLimits;
  #items = 0;
  #bytes = 0;
  readonly #waiters = new WaitingLine<Waiter>();
  #tickets: Ticket[] = [];
  /** How many of them belong to calls that ended. */
  #ended = 0;
  #timer: Timer | undefined;
  #drained: Deferred | undefined;

  constructor(clock: Clock, limits: AdmissionLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Takes room, or the promise of it. A call larger than everything is let in alone. */
  enter(items: number, bytes: number): Readonly<{ admitted: Promise<void>; withdraw: () => boolean }> | undefined {
    if (this.#waiters.size === 0 && this.#hasRoom(items, bytes)) {
      this.#items += items;
      this.#bytes += bytes;
      return undefined;
    }
    const waiter: Waiter = { items, bytes, admitted: new Deferred(), waits: true };
    this.#waiters.add(waiter);
    return { admitted: waiter.admitted.promise, withdraw: () => this.#withdraw(waiter) };
  }

  leave(items: number, bytes: number): void {
    this.#items -= items;
    this.#bytes -= bytes;
    this.#admit();
    if (this.#items > 0) return;
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  /** Resolves when nothing is inside; who waits comes in before. */
  drained(): Promise<void> {
    if (this.#items === 0) return Promise.resolve();
    this.#drained ??= new Deferred();
    return this.#drained.promise;
  }

  /** Calls `onDeadline` when the call's time is over; the returned function ends the watch. */
  watch(onDeadline: () => void): () => void {
    const ticket: Ticket = { deadline: this.#clock.monotonic() + this.#limits.timeoutMs, onDeadline };
    this.#tickets.push(ticket);
    this.#arm();
    return () => {
      if (ticket.onDeadline === undefined) return;
      ticket.onDeadline = undefined;
      this.#ended += 1;
      this.#dropLast();
      // Only when they prevail: a sweep for each of many that end together would look at all the others each time.
      if (this.#ended > FEW_TICKETS && this.#ended * 2 > this.#tickets.length) this.#sweep();
    };
  }

  /** Whether nothing is inside. */
  get empty(): boolean {
    return this.#items === 0;
  }

  /** Nothing is sent any more: the time of every call that is still watched is over now. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const tickets = this.#tickets;
    [this.#tickets, this.#ended] = [[], 0];
    fire(tickets);
  }

  #admit(): void {
    if (this.#waiters.size === 0) return;
    let first = this.#waiters.first();
    while (first !== undefined && this.#hasRoom(first.items, first.bytes)) {
      this.#waiters.leave(first);
      this.#items += first.items;
      this.#bytes += first.bytes;
      first.admitted.resolve();
      first = this.#waiters.first();
    }
  }

  #withdraw(waiter: Waiter): boolean {
    const isFirst = this.#waiters.first() === waiter;
    if (!this.#waiters.leave(waiter)) return false;
    if (isFirst) this.#admit(); // smaller calls may have stood behind a large one
    return true;
  }

  #hasRoom(items: number, bytes: number): boolean {
    return (
      this.#items === 0 || (this.#items + items <= this.#limits.items && this.#bytes + bytes <= this.#limits.bytes)
    );
  }

  /** One call after the other leaves nothing behind, so that its ticket dies as young as the call. */
  #dropLast(): void {
    while (this.#tickets.length > 0 && this.#tickets.at(-1)?.onDeadline === undefined) {
      this.#tickets.pop();
      this.#ended -= 1;
    }
  }

  #sweep(): void {
    this.#tickets = this.#tickets.filter((ticket) => ticket.onDeadline !== undefined);
    this.#ended = 0;
  }

  #arm(): void {
    const [first] = this.#tickets;
    if (this.#timer !== undefined || first === undefined) return;
    const left = first.deadline - this.#clock.monotonic();
    this.#timer = this.#clock.timer(left, () => this.#expire(), { keepAlive: false });
  }

  #expire(): void {
    this.#timer = undefined;
    this.#sweep();
    const now = this.#clock.monotonic();
    const due = this.#tickets.filter((ticket) => ticket.deadline <= now);
    this.#tickets = this.#tickets.slice(due.length);
    fire(due);
    this.#arm();
  }
}

/** Each is told once, and its watch needs no end any more. */
function fire(tickets: readonly Ticket[]): void {
  for (const ticket of tickets) {
    const { onDeadline } = ticket;
    ticket.onDeadline = undefined;
    onDeadline?.();
  }
}

/** `last`: what the last try of its queue ended with, where there was one. */
export function pushTimedOut(sent: boolean, timeoutMs: number, last?: string, cause?: unknown): JobferryError {
  const what = `The push got no answer within ${timeoutMs} ms (pushTimeout).`;
  if (last === undefined) return new JobferryError("UNAVAILABLE", `${what} ${fateOf(sent)}`, { retryable: true });
  const text = `${what} The last try: ${last} ${fateOf(sent)}`;
  return new JobferryError("UNAVAILABLE", text, { cause, retryable: true });
}

export function closedUnanswered(sent: boolean): JobferryError {
  return new JobferryError("CLOSED", `The queue was closed before the push got an answer. ${fateOf(sent)}`);
}

function fateOf(sent: boolean): string {
  return sent
    ? "It was sent, so the job may be stored or not; pushing the same job again is safe where pushes are by id."
    : "It was not sent: nothing is stored, and pushing again is safe.";
}
