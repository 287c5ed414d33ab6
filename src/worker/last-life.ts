import type { Clock, Timer } from "../contract/index.ts";
import type { Attempt } from "./attempt.ts";

/** What a job on its last life may cost the others: so long it waits for them, and so long they wait for it. */
const ALONE_MS = 10_000;

export type LastLifeHost = Readonly<{
  clock: Clock;
  /** Of jobs that do not say. */
  maxLosses: number;
  /** Others may start again, or the job may start now though others run. */
  changed: () => void;
}>;

/**
 * Lets a job that would end in failed with the next lost lease run alone in this process: nobody knows which of those that ran together killed it, and they come
 * back together. One such job is held at a time, the others go back to the store, because the death of the process would be the end of all of them. It starts
 * when they are there and nothing else runs, before what was fetched with it; nothing is fetched and nothing else starts until its own end is confirmed. Both
 * only for `ALONE_MS`: handlers that take long must not hold up the worker. It waits for no other ends: as long as it waits it can be killed from outside.
 */
export class LastLife {
  readonly #host: LastLifeHost;
  #attempt: Attempt | undefined;
  /** What goes back and is not known to be there yet. */
  readonly #leaving = new Set<Attempt>();
  #isPatient = true;
  /** This process may have taken the place of one that such jobs killed. */
  #isCrowded = true;
  #timer: Timer | undefined;

  constructor(host: LastLifeHost) {
    this.#host = host;
  }

  /** Such a job is here and the others leave it alone. */
  get isHeld(): boolean {
    return this.#attempt !== undefined;
  }

  /**
   * One job at a time is asked for, until one comes that is not on its last life: nothing was fetched yet, or several came, which must not be fetched and given back
   * again and again.
   */
  get isCrowded(): boolean {
    return this.#isCrowded;
  }

  /** Whether the next lost lease is the end of it. */
  isOn({ job, envelope }: Attempt): boolean {
    return job.losses + 1 >= (envelope.maxLosses ?? this.#host.maxLosses);
  }

  /** Which of those must go back that a fetch brought and that lost leases before. Told after each fetch. */
  surplus(suspects: readonly Attempt[]): readonly Attempt[] {
    const [first, ...surplus] = suspects.filter((attempt) => this.isOn(attempt));
    this.#isCrowded = first !== undefined && (this.#isCrowded || surplus.length > 0);
    if (first === undefined) return [];
    for (const attempt of surplus) this.#leaving.add(attempt);
    this.#attempt = first; // there was none: nothing is fetched while one is held
    this.#wait(() => (this.#isPatient = false));
    return surplus;
  }

  /** Whether it may start now. */
  lets(attempt: Attempt, nothingRuns: boolean): boolean {
    if (this.#attempt === undefined) return true;
    const isAlone = nothingRuns && this.#leaving.size === 0;
    return this.#attempt === attempt && (isAlone || !this.#isPatient);
  }

  started(attempt: Attempt): void {
    if (attempt === this.#attempt) this.#wait(() => this.#forget());
  }

  /** Its end is confirmed, or was given up. */
  ended(attempt: Attempt): void {
    if (this.#attempt === attempt) this.#forget();
    else if (this.#leaving.size === 0 || !this.#leaving.delete(attempt)) return;
    this.#host.changed();
  }

  #forget(): void {
    this.#timer?.cancel();
    [this.#attempt, this.#timer, this.#isPatient] = [undefined, undefined, true];
  }

  #wait(then: () => void): void {
    this.#timer?.cancel();
    this.#timer = this.#host.clock.timer(
      ALONE_MS,
      () => {
        then();
        this.#host.changed();
      },
      { keepAlive: false },
    );
  }
}
