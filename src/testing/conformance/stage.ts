import assert from "node:assert/strict";
import type {
  Capabilities,
  Clock,
  Driver,
  ErrorCode,
  ExtendResult,
  FinishItem,
  FinishResult,
  JobFailure,
  MaintainResult,
  PushItem,
  PushResult,
  Reservation,
  ReserveRequest,
  ReserveResult,
  Retention,
  StoredJob,
} from "../../contract/index.ts";
import { isJobferryError } from "../../errors/index.ts";
import { silentLogger, sleep, systemClock } from "../../runtime/index.ts";
import { bytesOf } from "./samples.ts";
import type { ConformanceTarget } from "./target.ts";

export const KEEP_ALL: Retention = { count: Infinity, ageMs: Infinity };
export const KEEP_NONE: Retention = { count: 0, ageMs: Infinity };
export const QUEUE = "work";

const HUNG_AFTER_MS = 10_000;
/** Rounds without a job after which no more are expected. */
const EMPTY_ROUNDS = 6;

export type Take = Partial<ReserveRequest> & Readonly<{ driver?: Driver }>;
type RetentionOverride = Readonly<{ completed?: Retention; failed?: Retention }>;

/**
 * One driver (sometimes two) on one empty store, for one case. What must hold always is checked on every call, whatever the case is about:
 * one answer per item, never more than `max`, only queues that were asked for, and no token twice.
 */
export class Stage {
  readonly target: ConformanceTarget;
  readonly capabilities: Capabilities;
  readonly clock: Clock;
  /** Where calls go that name no driver. After `loseLeases` it may be another one. */
  driver: Driver;
  /** Everything that reserve and maintain reported as failed by the store. */
  readonly died: StoredJob[] = [];
  readonly #retention: RetentionOverride;
  readonly #open: Set<Driver>;
  readonly #tokens = new Set<string>();
  readonly #armedBefore: number;
  #made = 0;

  private constructor(
    target: ConformanceTarget,
    driver: Driver,
    capabilities: Capabilities,
    retention: RetentionOverride,
    armedBefore: number,
  ) {
    this.target = target;
    this.driver = driver;
    this.capabilities = capabilities;
    this.clock = target.clock ?? systemClock;
    this.#retention = retention;
    this.#open = new Set([driver]);
    this.#armedBefore = armedBefore;
  }

  static async open(target: ConformanceTarget, retention: RetentionOverride = {}): Promise<Stage> {
    const armedBefore = target.clock?.armed ?? 0;
    const driver = await target.open();
    return new Stage(target, driver, await openOne(target, driver, retention), retention, armedBefore);
  }

  /** Closes what is open. On a virtual clock also proves that no timer was left behind. */
  async leave(): Promise<void> {
    try {
      for (const driver of this.#open) await this.settles(driver.close(), 0, "close");
      this.#open.clear();
    } finally {
      await this.target.cleanup?.();
    }
    if (this.target.clock === undefined) return;
    // Not 0: a case that failed before may have left some.
    const left = Math.max(0, this.target.clock.armed - this.#armedBefore);
    assert.equal(left, 0, "timers that are still armed on the context's clock after close");
  }

  /** A second driver on the same store. */
  async second(): Promise<Driver> {
    assert.ok(this.target.reopen, "the driver declares `shared`, so the target must offer `reopen`");
    const driver = await this.target.reopen(this.driver);
    await openOne(this.target, driver, this.#retention);
    this.#open.add(driver);
    return driver;
  }

  async close(driver: Driver = this.driver): Promise<void> {
    this.#open.delete(driver);
    await this.settles(driver.close(), 0, "close");
  }

  /** Kills the current driver as SIGKILL would and goes on with another one. */
  async crash(): Promise<void> {
    assert.ok(
      this.target.crash,
      "a driver whose leases end with the connection, or that is shared, needs `crash` in its target",
    );
    const victim = this.driver;
    const successor = await this.second();
    await this.target.crash(victim);
    this.#open.delete(victim);
    this.driver = successor;
  }

  // Time

  get isVirtual(): boolean {
    return this.target.clock !== undefined;
  }

  async pass(milliseconds: number): Promise<void> {
    if (this.target.clock === undefined) await sleep(systemClock, milliseconds);
    else await this.target.clock.advance(milliseconds);
  }

  async passUntil(monotonic: number): Promise<void> {
    await this.pass(Math.max(0, monotonic - this.clock.monotonic()));
  }

  /** A lease that does not end during a case. */
  get leaseMs(): number {
    return Math.max(this.capabilities.lease.minMs, this.isVirtual ? 600_000 : 30_000);
  }

  /** A lease that `loseLeases` waits for. */
  get shortLeaseMs(): number {
    return Math.max(this.capabilities.lease.minMs, this.isVirtual ? 5_000 : 300);
  }

  /** A delay that the driver takes, long enough to look at the job before its time. */
  get delayMs(): number {
    return Math.min(
      this.capabilities.delay.maxMs,
      this.isVirtual ? 10_000 : 500 + 2 * this.capabilities.delay.precisionMs,
    );
  }

  /** How long a job or a wake-up may be on its way. */
  get patienceMs(): number {
    return this.capabilities.wakeup.pollMs + (this.isVirtual ? 10 : 250);
  }

  /** Lets every lease of the current driver end without a finish: by time, or by the death of its connection. */
  async loseLeases(): Promise<void> {
    const { ends, grainMs } = this.capabilities.lease;
    if (ends === "connection") await this.crash();
    await this.pass(ends === "connection" ? grainMs + 1 : this.shortLeaseMs + grainMs + 1);
  }

  /** The promise's result, while time passes as far as needed; an AssertionError when it does not settle `withinMs` later. */
  async settles<T>(promise: Promise<T>, withinMs: number, what: string): Promise<T> {
    let settled = false;
    const watched = promise.then(
      () => void (settled = true),
      () => void (settled = true),
    );
    const { clock } = this.target;
    if (clock !== undefined) {
      await clock.advance(0);
      const step = Math.max(1, Math.ceil(withinMs / 40));
      for (let passed = 0; !settled && passed < withinMs; passed += step) await clock.advance(step);
    }
    if (!settled) {
      // Real time even on a virtual clock: the driver may wait for real input and output.
      const limit = new AbortController();
      const tooLate = sleep(
        systemClock,
        (this.target.hungAfterMs ?? HUNG_AFTER_MS) + (clock === undefined ? withinMs : 0),
        limit.signal,
      );
      await Promise.race([watched, tooLate]);
      limit.abort();
    }
    assert.ok(settled, `${what} did not settle`);
    return promise;
  }

  // Jobs

  item(changes: Partial<PushItem> = {}): PushItem {
    this.#made += 1;
    return {
      id: `job-${this.#made}`,
      sequence: undefined,
      queue: QUEUE,
      name: "default",
      priority: 0,
      tags: {},
      delayMs: 0,
      runAt: undefined,
      maxLosses: 3,
      createdAt: Math.floor(this.clock.now()),
      envelope: bytesOf(`envelope ${this.#made}`),
      payload: bytesOf(`payload ${this.#made}`),
      ...changes,
    };
  }

  items(count: number, changes: Partial<PushItem> = {}): readonly PushItem[] {
    return Array.from({ length: count }, () => this.item(changes));
  }

  /** The answers as they come. */
  async tryPush(items: readonly PushItem[], driver: Driver = this.driver): Promise<readonly PushResult[]> {
    const results = await this.settles(driver.push(items), this.patienceMs, "push");
    assert.equal(results.length, items.length, "push gives one answer per job");
    return results;
  }

  /** Pushes, in batches that the driver takes, and wants `stored` for each. */
  async push(items: PushItem | readonly PushItem[], driver: Driver = this.driver): Promise<void> {
    const list = "id" in items ? [items] : items;
    const batch = Math.max(1, this.capabilities.batch.maxItems);
    for (let start = 0; start < list.length; start += batch) {
      const results = await this.tryPush(list.slice(start, start + batch), driver);
      for (const [index, result] of results.entries()) {
        const error = "error" in result ? ` (${String(result.error)})` : "";
        assert.equal(result.status, "stored", `push of ${list[start + index]?.id} answers ${result.status}${error}`);
      }
    }
  }

  /** One call of reserve, with what must hold for each. */
  async reserve(take: Take = {}): Promise<ReserveResult> {
    const { driver = this.driver, ...changes } = take;
    const request: ReserveRequest = { queues: [QUEUE], max: 1, leaseMs: this.leaseMs, waitMs: 0, ...changes };
    const start = this.clock.monotonic();
    const result = await this.settles(driver.reserve(request), request.waitMs + this.patienceMs, "reserve");
    this.checkReserved(request, result);
    const { claimedAt = start } = result;
    assert.ok(claimedAt >= start && claimedAt <= this.clock.monotonic(), `claimedAt ${claimedAt} lies within the call`);
    return result;
  }

  checkReserved(request: ReserveRequest, result: ReserveResult): void {
    const { reservations } = result;
    assert.ok(reservations.length <= request.max, `reserve gives ${reservations.length} jobs for max ${request.max}`);
    const withLosses = reservations.filter(({ job }) => job.losses > 0).length;
    assert.ok(
      withLosses <= (request.free ?? request.max),
      `reserve gives ${withLosses} jobs with losses for ${request.free} free slots`,
    );
    for (const { job, token } of reservations) {
      const key = `${typeof token} ${token}`;
      assert.ok(!this.#tokens.has(key), `token ${token} of ${job.id} was given out before`);
      this.#tokens.add(key);
      assert.ok(
        request.queues.includes(job.queue),
        `reserve on ${request.queues.join(", ")} gives a job of ${job.queue}`,
      );
      assert.equal(job.state, "reserved", `state of the reserved job ${job.id}`);
    }
    this.died.push(...result.died);
  }

  async maintain(driver: Driver = this.driver, max = 1_000): Promise<MaintainResult> {
    const result = await this.settles(driver.maintain({ max }), this.patienceMs, "maintain");
    this.died.push(...result.died);
    return result;
  }

  /** What can be had of `count` jobs by asking again, maintaining and waiting as a worker does. */
  async takeUpTo(count: number, take: Take = {}): Promise<readonly Reservation[]> {
    const got: Reservation[] = [];
    for (let empty = 0; got.length < count && empty < EMPTY_ROUNDS;) {
      const waitMs = empty < 2 ? 0 : this.patienceMs;
      const { reservations } = await this.reserve({
        waitMs,
        ...take,
        max: Math.min(count - got.length, take.max ?? count),
      });
      got.push(...reservations);
      if (reservations.length > 0) continue;
      empty += 1;
      await this.maintain(take.driver);
    }
    return got;
  }

  async take(count: number, take: Take = {}): Promise<readonly Reservation[]> {
    const got = await this.takeUpTo(count, take);
    assert.equal(got.length, count, `${count} jobs can be reserved from ${(take.queues ?? [QUEUE]).join(", ")}`);
    return got;
  }

  async takeOne(take: Take = {}): Promise<Reservation> {
    const [only] = await this.take(1, take);
    assert.ok(only);
    return only;
  }

  /** Takes, one after the other, what there is, and finishes it. The ids in the order in which they came. */
  async drain(take: Take = {}): Promise<readonly string[]> {
    const ids: string[] = [];
    for (;;) {
      const [next] = await this.takeUpTo(1, take);
      if (next === undefined) return ids;
      ids.push(next.job.id);
      await this.done(next, take.driver);
    }
  }

  async nothing(take: Take = {}): Promise<void> {
    const waitMs = this.isVirtual ? 0 : 50;
    const wanted = `no job can be reserved from ${(take.queues ?? [QUEUE]).join(", ")} now`;
    for (let round = 0; round < 2; round += 1) {
      const { reservations } = await this.reserve({ waitMs, ...take, max: 5 });
      assert.deepEqual(idsOf(reservations), [], wanted);
      await this.maintain(take.driver);
    }
    const { reservations } = await this.reserve({ waitMs: 0, ...take, max: 5 });
    assert.deepEqual(idsOf(reservations), [], `${wanted}, after maintain`);
  }

  async finish(items: readonly FinishItem[], driver: Driver = this.driver): Promise<readonly FinishResult[]> {
    const results = await this.settles(driver.finish(items), this.patienceMs, "finish");
    assert.equal(results.length, items.length, "finish gives one answer per item");
    return results;
  }

  async done(reservation: Reservation, driver: Driver = this.driver): Promise<void> {
    await this.finishOk({ reservation, outcome: "done" }, driver);
  }

  async release(
    reservation: Reservation,
    changes: Readonly<{
      delayMs?: number;
      refund?: boolean;
      threw?: boolean;
      loss?: boolean;
      failure?: JobFailure;
    }> = {},
  ): Promise<void> {
    await this.finishOk({ reservation, outcome: "release", delayMs: 0, ...changes });
  }

  async fail(reservation: Reservation, failure: JobFailure = FAILURE): Promise<void> {
    await this.finishOk({ reservation, outcome: "fail", failure });
  }

  async finishOk(item: FinishItem, driver: Driver = this.driver): Promise<void> {
    const [result] = await this.finish([item], driver);
    assert.equal(result, "ok", `finish (${item.outcome}) of ${item.reservation.job.id}, whose lease holds`);
  }

  /** Every way to finish or extend with this reservation is refused. */
  async refused(reservation: Reservation, driver: Driver = this.driver): Promise<void> {
    const items: readonly FinishItem[] = [
      { reservation, outcome: "done" },
      { reservation, outcome: "release", delayMs: 0 },
      { reservation, outcome: "fail", failure: FAILURE },
    ];
    for (const item of items) {
      assert.deepEqual(
        await this.finish([item], driver),
        ["lost"],
        `finish (${item.outcome}) of ${reservation.job.id} with a stale token`,
      );
    }
    if (this.capabilities.lease.extend === "unsupported") return;
    assert.deepEqual(
      await this.extend([reservation], this.leaseMs, driver),
      ["lost"],
      `extend of ${reservation.job.id} with a stale token`,
    );
  }

  async extend(
    reservations: readonly Reservation[],
    leaseMs: number,
    driver: Driver = this.driver,
  ): Promise<readonly ExtendResult[]> {
    const items = reservations.map((reservation) => ({ reservation, leaseMs }));
    const results = await this.settles(driver.extend(items), this.patienceMs, "extend");
    assert.equal(results.length, items.length, "extend gives one answer per item");
    return results;
  }

  /** The call is refused as a whole, with this code. */
  async rejects(call: Promise<unknown>, code: ErrorCode, what: string): Promise<void> {
    const outcome = await this.settles(
      call.then(
        () => undefined,
        (error: unknown) => ({ error }),
      ),
      this.patienceMs,
      what,
    );
    assert.ok(outcome, `${what} is refused with ${code}, not answered`);
    assert.equal(
      this.codeOf(outcome.error),
      code,
      `${what} is refused with ${code}, not with ${String(outcome.error)}`,
    );
  }

  /** The push of this job alone is refused with this code: as its answer, or by rejecting the call. */
  async refusesPush(item: PushItem, code: ErrorCode, what: string): Promise<void> {
    const [outcome] = await this.tryPush([item]).catch((error: unknown) => [{ status: "refused", error } as const]);
    assert.equal(outcome?.status, "refused", what);
    if (outcome?.status === "refused")
      assert.equal(this.codeOf(outcome.error), code, `${what}: ${String(outcome.error)}`);
    await this.nothing();
  }

  codeOf(error: unknown): ErrorCode {
    return isJobferryError(error) ? error.code : this.driver.classify(error).code;
  }
}

export const FAILURE: JobFailure = {
  code: "HANDLER_FAILED",
  name: "TypeError",
  message: "cannot read ünïcode 🚀 of 'undefined'",
  stack: "TypeError\n  at one\n  at two",
};

export function idsOf(reservations: readonly Reservation[]): readonly string[] {
  return reservations.map(({ job }) => job.id);
}

async function openOne(target: ConformanceTarget, driver: Driver, retention: RetentionOverride): Promise<Capabilities> {
  return driver.open({
    clock: target.clock ?? systemClock,
    logger: silentLogger,
    retention: { completed: retention.completed ?? KEEP_NONE, failed: retention.failed ?? KEEP_ALL },
  });
}
