import type { Attempt } from "../attempt.ts";
import type { Executor, ExecutorListener } from "../executor.ts";
import { Seat, type SeatOptions } from "./seat.ts";

/**
 * A job that lost so many leases may be what killed the children it ran in. It runs alone in one, so that those who only ran beside it do
 * not lose their leases again and again until they are failed with it. With the default `maxLosses` of 3 that is its last chance.
 */
const ALONE_FROM_LOSSES = 2;

/** Runs attempts in threads or processes, each with `concurrency` slots. */
export class ChildExecutor implements Executor {
  readonly isolates: boolean = true;
  readonly #workers: number;
  readonly #options: SeatOptions;
  #seats: readonly Seat[] = [];
  #names: ReadonlySet<string> | undefined;

  constructor(workers: number, options: SeatOptions) {
    this.#workers = workers;
    this.#options = options;
  }

  /** @throws MODULE_INVALID when the module does not load in one of them; then none is left. */
  async start(listener: ExecutorListener): Promise<void> {
    this.#seats = Array.from({ length: this.#workers }, () => new Seat(this.#options, listener));
    const started = await Promise.allSettled(this.#seats.map((seat) => seat.start()));
    const failed = started.find((result) => result.status === "rejected");
    if (failed !== undefined) {
      await this.stop();
      throw failed.reason;
    }
    const names = this.#seats[0]?.names;
    this.#names = names === undefined ? undefined : new Set(names);
  }

  get room(): number {
    let room = 0;
    for (const seat of this.#seats) room += seat.room;
    return room;
  }

  /** How many children run something. */
  get activeWorkers(): number {
    return this.#seats.filter((seat) => seat.running > 0).length;
  }

  accepts(attempt: Attempt): boolean {
    if (!needsChildAlone(attempt)) return this.#roomiest() !== undefined;
    if (this.#idle() !== undefined) return true;
    this.#emptyOne();
    return false;
  }

  execute(attempt: Attempt): void {
    const alone = needsChildAlone(attempt);
    const seat = alone ? this.#idle() : this.#roomiest();
    if (seat === undefined) throw new Error("execute() without accepts()");
    seat.mode = alone ? "alone" : "shared";
    seat.run(attempt);
  }

  kill(attempt: Attempt): boolean {
    this.#seats.some((seat) => seat.kill(attempt));
    return true; // an attempt that no child runs has ended already
  }

  handles(name: string): boolean {
    return this.#names === undefined || this.#names.has(name);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#seats.map((seat) => seat.end()));
  }

  #roomiest(): Seat | undefined {
    let best: Seat | undefined;
    for (const seat of this.#seats) if (seat.room > (best?.room ?? 0)) best = seat;
    return best;
  }

  #idle(): Seat | undefined {
    return this.#seats.find((seat) => seat.ready && seat.running === 0);
  }

  /** So that a job that must run alone comes to its turn under load. An emptied one that nobody wants any more is shared again by the next job. */
  #emptyOne(): void {
    if (this.#seats.some((seat) => seat.mode === "emptying")) return;
    const shared = this.#seats.filter((seat) => seat.ready && seat.mode === "shared");
    const [least] = shared.toSorted((a, b) => a.running - b.running);
    if (least !== undefined) least.mode = "emptying";
  }
}

function needsChildAlone(attempt: Attempt): boolean {
  return attempt.job.losses >= ALONE_FROM_LOSSES;
}
