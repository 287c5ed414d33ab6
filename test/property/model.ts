/**
 * What a store of jobs must do, written from the contract and not from any driver: plain data, no heaps, no clock of its own. Whoever tests
 * a driver tells the model what was asked and what came back; the model says what is wrong with it.
 */
export type State = "pending" | "delayed" | "reserved" | "failed" | "completed";
export type Counts = Record<State, number>;

export type PushSpec = Readonly<{ id: string; queue: string; priority: number; delayMs: number; maxLosses: number }>;
export type Token = number | string;

type ModelJob = PushSpec & {
  state: Exclude<State, "completed">;
  attempts: number;
  losses: number;
  exceptions: number;
  token: Token | undefined;
  /** Was reserved before, though a refund may have given the attempt back. */
  delivered: boolean;
  /** End of the delay or the lease. */
  dueAt: number;
  /** Became pending in this step, and as which one of it where that order is promised. */
  step: number;
  rank: number | undefined;
  /** Came back because its lease ran out. */
  wasLost: boolean;
  failureCode: string | undefined;
};

export type Given = Readonly<{
  id: string;
  queue: string;
  token: Token;
  attempts: number;
  losses: number;
  exceptions: number;
  priority: number;
}>;

export type FinishSpec =
  | Readonly<{ outcome: "done" }>
  | Readonly<{ outcome: "fail"; code: string; threw: boolean }>
  | Readonly<{
      outcome: "release";
      delayMs: number;
      refund: boolean;
      threw: boolean;
      loss: boolean;
      code: string | undefined;
    }>;

export class Wrong extends Error {}

function must(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Wrong(what);
}

export class Model {
  now = 0;
  readonly jobs = new Map<string, ModelJob>();
  readonly paused = new Set<string>();
  readonly #completed = new Map<string, number>();
  readonly #tokens = new Set<Token>();
  readonly #newestToken = new Map<string, number>();
  /** Failed by the store and not reported yet. */
  readonly #undeclared = new Set<string>();
  #step = 0;

  push(specs: readonly PushSpec[]): readonly ("stored" | "exists")[] {
    this.#step += 1;
    return specs.map((spec, rank) => {
      if (this.jobs.has(spec.id)) return "exists";
      const state = spec.delayMs > 0 ? "delayed" : "pending";
      const fresh = {
        attempts: 0,
        losses: 0,
        exceptions: 0,
        token: undefined,
        failureCode: undefined,
        delivered: false,
        wasLost: false,
      };
      this.jobs.set(spec.id, { ...spec, ...fresh, state, dueAt: this.now + spec.delayMs, step: this.#step, rank });
      return "stored";
    });
  }

  /** Whether something is due that a driver may or may not have looked at. */
  get isBehind(): boolean {
    return [...this.jobs.values()].some((job) => isTimed(job) && job.dueAt <= this.now);
  }

  /** Everything that is due happens. Jobs that were only delayed become pending in the order of their times, then of their push. */
  settle(): void {
    const due = [...this.jobs.values()].filter((job) => isTimed(job) && job.dueAt <= this.now);
    const delayed = due.filter((job) => job.state === "delayed" && !job.delivered);
    const order = delayed.toSorted((a, b) => a.dueAt - b.dueAt || a.step - b.step || (a.rank ?? 0) - (b.rank ?? 0));
    const ranks = new Map(order.map((job, i) => [job, i]));
    this.#step += 1;
    for (const job of due) {
      if (job.state === "delayed") this.#makePending(job, ranks.get(job));
      else this.#lose(job);
    }
  }

  /** A driver that takes leases back by a timer does that for all of them, and need not look at delays then. */
  #loseOverdue(): void {
    this.#step += 1;
    for (const job of this.jobs.values()) if (job.state === "reserved" && job.dueAt <= this.now) this.#lose(job);
  }

  #makePending(job: ModelJob, rank: number | undefined): void {
    Object.assign(job, { state: "pending", token: undefined, step: this.#step, rank, wasLost: false });
  }

  #lose(job: ModelJob): void {
    job.losses += 1;
    if (job.losses < job.maxLosses) {
      this.#makePending(job, undefined);
      job.wasLost = true;
      return;
    }
    Object.assign(job, { state: "failed", token: undefined, failureCode: "LEASE_EXPIRED" });
    this.#undeclared.add(job.id);
  }

  /** Jobs that a driver says the store failed: each once, and only those. */
  declared(ids: readonly string[]): void {
    for (const id of ids) must(this.#undeclared.delete(id), `${id} was reported as died, but did not, or twice`);
  }

  get undeclared(): readonly string[] {
    return [...this.#undeclared];
  }

  /** Checks what a reserve gave, in its order, and takes it over. */
  reserve(
    request: Readonly<{ queues: readonly string[]; max: number; free: number; leaseMs: number }>,
    given: readonly Given[],
  ): void {
    must(given.length <= request.max, `${given.length} reservations, max ${request.max}`);
    let free = request.free;
    for (const one of given) {
      const job = this.jobs.get(one.id);
      must(job?.state === "pending", `${one.id} was given, but is ${job?.state ?? "not there"}`);
      must(
        request.queues.includes(job.queue) && !this.paused.has(job.queue),
        `${one.id} of ${job.queue} was not asked for`,
      );
      const better = this.#candidates(request.queues).find((other) =>
        this.#goesBefore(other, job, request.queues, free),
      );
      must(better === undefined, `${one.id} was given before ${better?.id ?? ""}`);
      if (job.losses > 0) free -= 1;
      must(free >= 0, `${one.id} has losses, but no slot was free for it`);
      this.#take(job, one, request.leaseMs);
    }
    const left = this.#candidates(request.queues);
    const blocked =
      free === 0 && left.some((job) => job.losses > 0 && !left.some((other) => this.#isAhead(other, job)));
    must(
      given.length === request.max || left.length === 0 || blocked,
      `only ${given.length} given, ${left.length} left`,
    );
  }

  #candidates(queues: readonly string[]): readonly ModelJob[] {
    return [...this.jobs.values()].filter(
      (job) => job.state === "pending" && queues.includes(job.queue) && !this.paused.has(job.queue),
    );
  }

  /** Whether `other` had to be given before `job`. One that waits for a free slot blocks its own queue; whether others too is left open. */
  #goesBefore(other: ModelJob, job: ModelJob, queues: readonly string[], free: number): boolean {
    if (other.queue === job.queue) return this.#isAhead(other, job);
    if (queues.indexOf(other.queue) > queues.indexOf(job.queue)) return false;
    const same = this.#candidates([other.queue]);
    return !(free === 0 && same.some((one) => one.losses > 0));
  }

  /** Higher priority, then the step in which it became pending, then the place in it where that is promised. */
  #isAhead(a: ModelJob, b: ModelJob): boolean {
    if (a === b || a.queue !== b.queue) return false;
    if (a.priority !== b.priority) return a.priority > b.priority;
    // When a lease that ran out is taken back is the driver's affair, so its job has no certain place among others that came back.
    if (a.delivered && b.delivered && (a.wasLost || b.wasLost)) return false;
    if (a.step !== b.step) return a.step < b.step;
    return a.rank !== undefined && b.rank !== undefined && a.rank < b.rank;
  }

  #take(job: ModelJob, given: Given, leaseMs: number): void {
    must(!this.#tokens.has(given.token), `token ${given.token} was given out before`);
    this.#tokens.add(given.token);
    if (typeof given.token === "number") {
      must(
        given.token > (this.#newestToken.get(job.id) ?? -Infinity),
        `token ${given.token} of ${job.id} does not rise`,
      );
      this.#newestToken.set(job.id, given.token);
    }
    job.attempts += 1;
    const { attempts, losses, exceptions, priority, queue } = job;
    for (const [field, value] of Object.entries({ attempts, losses, exceptions, priority, queue }))
      must(
        given[field as keyof Given] === value,
        `${field} of ${job.id} is ${given[field as keyof Given]}, not ${value}`,
      );
    Object.assign(job, { state: "reserved", token: given.token, dueAt: this.now + leaseMs, delivered: true });
  }

  /** What a finish or extend under this token must be answered; `undefined` when the lease is over but nobody took the job back yet. */
  #held(id: string, token: Token): ModelJob | undefined {
    const job = this.jobs.get(id);
    return job?.state === "reserved" && job.token === token ? job : undefined;
  }

  extend(id: string, token: Token, leaseMs: number, answer: "ok" | "lost"): void {
    const job = this.#answered(id, token, answer);
    if (job !== undefined) job.dueAt = this.now + leaseMs;
  }

  /** A lease that ran out may have been taken back already or not: both answers hold, and then that is how it is. */
  #answered(id: string, token: Token, answer: string): ModelJob | undefined {
    let job = this.#held(id, token);
    if (job !== undefined && job.dueAt <= this.now && answer === "lost") {
      this.#loseOverdue();
      job = undefined;
    }
    must(
      answer === (job === undefined ? "lost" : "ok"),
      `${answer} for token ${token} of ${id}, which is ${job === undefined ? "stale" : "valid"}`,
    );
    return job;
  }

  /** One batch of finishes: what they release stands behind what is ready; among themselves no order is promised. */
  finish(items: readonly Readonly<{ id: string; token: Token; spec: FinishSpec; answer: string }>[]): void {
    this.#step += 1;
    for (const { id, token, spec, answer } of items) {
      const job = this.#answered(id, token, answer);
      if (job !== undefined) this.#end(job, spec);
    }
  }

  #end(job: ModelJob, spec: FinishSpec): void {
    switch (spec.outcome) {
      case "done":
        this.jobs.delete(job.id);
        this.#completed.set(job.queue, (this.#completed.get(job.queue) ?? 0) + 1);
        return;
      case "fail":
        if (spec.threw) job.exceptions += 1;
        Object.assign(job, { state: "failed", token: undefined, failureCode: spec.code });
        return;
      case "release":
        if (spec.code !== undefined) job.failureCode = spec.code;
        if (spec.loss) return this.#lose(job);
        if (spec.threw) job.exceptions += 1;
        if (spec.refund) job.attempts -= 1;
        if (spec.delayMs <= 0) return this.#makePending(job, undefined);
        Object.assign(job, { state: "delayed", token: undefined, dueAt: this.now + spec.delayMs, step: this.#step });
    }
  }

  clear(queue: string | undefined): number {
    let removed = 0;
    for (const job of [...this.jobs.values()]) {
      if (job.state !== "pending" && job.state !== "delayed") continue;
      if (queue === undefined || job.queue === queue) removed += Number(this.jobs.delete(job.id));
    }
    return removed;
  }

  retry(ids: readonly string[]): number {
    this.#step += 1;
    return this.#each(ids, "failed", (job) => {
      Object.assign(job, { attempts: 0, losses: 0, exceptions: 0, failureCode: undefined });
      this.#makePending(job, undefined);
      this.#undeclared.delete(job.id); // who was told is asked before
    });
  }

  promote(ids: readonly string[]): number {
    this.#step += 1;
    return this.#each(ids, "delayed", (job) => this.#makePending(job, undefined));
  }

  remove(ids: readonly string[]): number {
    const states: readonly State[] = ["pending", "delayed", "failed"];
    return states.reduce((sum, state) => sum + this.#each(ids, state, (job) => void this.jobs.delete(job.id)), 0);
  }

  #each(ids: readonly string[], state: State, act: (job: ModelJob) => void): number {
    let done = 0;
    for (const id of new Set(ids)) {
      const job = this.jobs.get(id);
      if (job?.state !== state) continue;
      act(job);
      done += 1;
    }
    return done;
  }

  counts(queue?: string): Counts {
    const counts: Counts = { pending: 0, delayed: 0, reserved: 0, failed: 0, completed: 0 };
    for (const job of this.jobs.values()) if (queue === undefined || job.queue === queue) counts[job.state] += 1;
    for (const [name, completed] of this.#completed)
      if (queue === undefined || name === queue) counts.completed += completed;
    return counts;
  }
}

function isTimed(job: Readonly<{ state: State }>): boolean {
  return job.state === "delayed" || job.state === "reserved";
}
