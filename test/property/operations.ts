import fc from "fast-check";
import type { Driver, FinishItem, PushItem, Reservation } from "../../src/contract/index.ts";
import type { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { type FinishSpec, Model, Wrong } from "./model.ts";

const QUEUES = ["a", "b"] as const;
/** Few ids, so that they are pushed again in every state. */
const IDS = Array.from({ length: 12 }, (_, i) => `job-${i}`);

const queue = fc.constantFrom(...QUEUES);
const id = fc.constantFrom(...IDS);
const ids = fc.array(id, { minLength: 1, maxLength: 4 });
const leaseMs = fc.integer({ min: 5, max: 60 });
const delayMs = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 60 }));
/** A place in the list of all reservations ever, from the newest. */
const which = fc.nat({ max: 7 });
const spec = fc.record({
  id,
  queue,
  priority: fc.integer({ min: -1, max: 1 }),
  delayMs,
  maxLosses: fc.integer({ min: 1, max: 3 }),
});
const code = fc.constantFrom("HANDLER_FAILED", "TIMEOUT");

const finishSpec: fc.Arbitrary<FinishSpec> = fc.oneof(
  fc.constant({ outcome: "done" } as const),
  fc.record({ outcome: fc.constant("fail" as const), code, threw: fc.boolean() }),
  fc.record({
    outcome: fc.constant("release" as const),
    delayMs,
    refund: fc.boolean(),
    threw: fc.boolean(),
    loss: fc.constant(false),
    code: fc.option(code, { nil: undefined }),
  }),
  fc.constant({
    outcome: "release",
    delayMs: 0,
    refund: false,
    threw: false,
    loss: true,
    code: "WORKER_DIED",
  } as const),
);

export const operation = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ op: fc.constant("push" as const), specs: fc.array(spec, { minLength: 1, maxLength: 6 }) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant("reserve" as const),
      queues: fc.uniqueArray(queue, { minLength: 1 }),
      max: fc.integer({ min: 1, max: 4 }),
      /** Whether the claim itself must find what is due. */
      lazy: fc.boolean(),
      free: fc.option(fc.nat({ max: 4 }), { nil: undefined }),
      leaseMs,
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant("finish" as const),
      items: fc.array(fc.tuple(which, finishSpec), { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("extend" as const), which, leaseMs }) },
  { weight: 5, arbitrary: fc.record({ op: fc.constant("advance" as const), ms: fc.integer({ min: 1, max: 70 }) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("crash" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant("clear" as const), queue: fc.option(queue, { nil: undefined }) }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constantFrom("pause" as const, "resume" as const), queue }) },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constantFrom("retry" as const, "remove" as const, "promote" as const), ids }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("maintain" as const), max: fc.integer({ min: 1, max: 3 }) }) },
);
export type Operation = typeof operation extends fc.Arbitrary<infer O> ? O : never;

const envelope = Uint8Array.of(1, 0);
const payload = Uint8Array.of(7);

/** Does every operation on the driver and the model and compares what can be seen. */
export class Run {
  readonly model = new Model();
  readonly #driver: Driver;
  readonly #clock: VirtualClock;
  #reservations: Reservation[] = [];

  constructor(driver: Driver, clock: VirtualClock) {
    this.#driver = driver;
    this.#clock = clock;
  }

  async do(operation: Operation): Promise<void> {
    // Finishes may meet a lease that is over and not taken back; everything else but a lazy reserve finds both sides up to date.
    const isLazy =
      operation.op === "finish" || operation.op === "extend" || operation.op === "advance" || operation.op === "crash";
    if (operation.op === "reserve" && operation.lazy && this.model.isBehind) {
      await this.#reserve(operation);
      return this.#settle();
    }
    if (!isLazy && this.model.isBehind) await this.#settle();
    await this.#act(operation);
    if (!this.model.isBehind) await this.checkCounts();
  }

  async #settle(): Promise<void> {
    const { died } = await this.#driver.maintain({ max: 10_000 });
    this.model.settle();
    this.model.declared(died.map((job) => job.id));
  }

  async #act(operation: Operation): Promise<void> {
    const { model } = this;
    const driver = this.#driver;
    switch (operation.op) {
      case "push": {
        const items = operation.specs.map((one): PushItem => this.#itemOf(one));
        const results = await driver.push(items);
        equal(
          results.map(({ status }) => status),
          model.push(operation.specs),
          "push",
        );
        return;
      }
      case "reserve":
        return this.#reserve(operation);
      case "finish":
        return this.#finish(operation.items);
      case "extend": {
        const reservation = this.#reservation(operation.which);
        if (reservation === undefined) return;
        const [answer] = await driver.extend([{ reservation, leaseMs: operation.leaseMs }]);
        model.extend(reservation.job.id, reservation.token, operation.leaseMs, answer ?? "lost");
        return;
      }
      case "advance":
        await this.#clock.advance(operation.ms);
        model.now += operation.ms;
        return;
      case "crash":
        this.#reservations = [];
        return;
      case "clear":
        return equal((await driver.clear(operation.queue)).removed, model.clear(operation.queue), "clear");
      case "pause":
        model.paused.add(operation.queue);
        return driver.pause(operation.queue);
      case "resume":
        model.paused.delete(operation.queue);
        return driver.resume(operation.queue);
      case "retry":
      case "remove":
      case "promote":
        await this.#settle(); // what died must be reported before its record changes
        return equal(
          await driver.records?.[operation.op](operation.ids),
          model[operation.op](operation.ids),
          operation.op,
        );
      case "maintain": {
        const { died } = await driver.maintain({ max: operation.max });
        model.declared(died.map((job) => job.id));
      }
    }
  }

  #itemOf(
    one: Readonly<{ id: string; queue: string; priority: number; delayMs: number; maxLosses: number }>,
  ): PushItem {
    return {
      ...one,
      sequence: undefined,
      name: "n",
      tags: {},
      runAt: undefined,
      createdAt: this.#clock.now(),
      envelope,
      payload,
    };
  }

  async #reserve({ queues, max, free, leaseMs: length }: Extract<Operation, { op: "reserve" }>): Promise<void> {
    const request = { queues, max, leaseMs: length, waitMs: 0, ...(free === undefined ? {} : { free }) };
    const { reservations, died } = await this.#driver.reserve(request);
    if (this.model.isBehind) this.model.settle();
    this.model.declared(died.map((job) => job.id));
    const given = reservations.map(({ job, token }) => {
      const { id: jobId, queue: name, attempts, losses, exceptions, priority } = job;
      return { id: jobId, queue: name, attempts, losses, exceptions, priority, token };
    });
    this.model.reserve({ queues, max, free: free ?? max, leaseMs: length }, given);
    this.#reservations.push(...reservations);
  }

  async #finish(items: readonly (readonly [number, FinishSpec])[]): Promise<void> {
    const wanted = items.flatMap(([place, one]) => {
      const reservation = this.#reservation(place);
      return reservation === undefined ? [] : [{ reservation, spec: one }];
    });
    if (wanted.length === 0) return;
    const answers = await this.#driver.finish(wanted.map(({ reservation, spec: one }) => finishItem(reservation, one)));
    equal(answers.length, wanted.length, "answers of finish");
    this.model.finish(
      wanted.map(({ reservation, spec: one }, i) => ({
        id: reservation.job.id,
        token: reservation.token,
        spec: one,
        answer: answers[i] ?? "none",
      })),
    );
  }

  #reservation(place: number): Reservation | undefined {
    return this.#reservations.at(-1 - place);
  }

  async checkCounts(): Promise<void> {
    for (const name of [...QUEUES, undefined]) {
      const { pending, delayed, reserved, failed, completed, paused } = await this.#driver.stats(name);
      equal({ pending, delayed, reserved, failed, completed }, this.model.counts(name), `counts of ${name ?? "all"}`);
      if (name !== undefined) equal(paused, this.model.paused.has(name), `paused of ${name}`);
    }
  }

  /** At the end every single job is compared, by id and by listing. */
  async end(): Promise<void> {
    await this.#settle();
    equal(this.model.undeclared, [], "jobs that died and were never reported");
    await this.checkCounts();
    const listed = new Map<string, string>();
    let cursor: string | undefined;
    do {
      const page = await this.#driver.records?.list({}, { limit: 3, cursor });
      for (const job of page?.jobs ?? []) {
        if (listed.has(job.id)) throw new Wrong(`${job.id} was listed twice`);
        listed.set(job.id, job.state);
      }
      cursor = page?.cursor;
    } while (cursor !== undefined);
    const states = new Map([...this.model.jobs].map(([key, job]) => [key, job.state]));
    equal(listed.size, states.size, "jobs listed");
    for (const [key, state] of states) equal(listed.get(key), state, `state of ${key} in the listing`);
    for (const jobId of IDS) await this.#checkRecord(jobId);
  }

  async #checkRecord(jobId: string): Promise<void> {
    const job = this.model.jobs.get(jobId);
    const record = await this.#driver.records?.get(jobId);
    const seen =
      record === undefined
        ? undefined
        : {
            state: record.state,
            attempts: record.attempts,
            losses: record.losses,
            exceptions: record.exceptions,
            queue: record.queue,
            failureCode: record.failure?.code,
          };
    const wanted =
      job === undefined
        ? undefined
        : {
            state: job.state,
            attempts: job.attempts,
            losses: job.losses,
            exceptions: job.exceptions,
            queue: job.queue,
            failureCode: job.failureCode,
          };
    equal(seen, wanted, `record of ${jobId}`);
  }
}

function finishItem(reservation: Reservation, one: FinishSpec): FinishItem {
  switch (one.outcome) {
    case "done":
      return { reservation, outcome: "done" };
    case "fail":
      return { reservation, outcome: "fail", threw: one.threw, failure: failureOf(one.code) };
    case "release": {
      const { delayMs: length, refund, threw, loss } = one;
      const failure = one.code === undefined ? {} : { failure: failureOf(one.code) };
      return { reservation, outcome: "release", delayMs: length, refund, threw, loss, ...failure };
    }
  }
}

function failureOf(text: string): Readonly<{ code: string; name: string; message: string; stack: undefined }> {
  return { code: text, name: "Error", message: "x", stack: undefined };
}

function equal(got: unknown, wanted: unknown, what: string): void {
  const [a, b] = [got, wanted].map((value) => JSON.stringify(value instanceof Map ? [...value] : value));
  if (a !== b) throw new Wrong(`${what}: ${a ?? "undefined"}, the model says ${b ?? "undefined"}`);
}
