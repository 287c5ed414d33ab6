import assert from "node:assert/strict";
import type {
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
  StoredJob,
} from "../../contract/index.ts";
import { isJobferryError } from "../../errors/index.ts";
import { BUSY_MS } from "./in-time.ts";
import { bytesOf } from "./samples.ts";
import { openFirst, Surroundings } from "./surroundings.ts";
import type { RetentionOverride } from "./surroundings.ts";
import type { ConformanceTarget } from "./target.ts";

export const QUEUE = "work";

/** Rounds without a job after which no more are expected. */
const EMPTY_ROUNDS = 6;

export type Take = Partial<ReserveRequest> & Readonly<{ driver?: Driver }>;

/**
 * One driver (sometimes two) on one empty store, for one case. What must hold always is checked on every call, whatever the case is about:
 * one answer per item, never more than `max`, only queues that were asked for, and no token twice.
 */
export class Stage extends Surroundings {
  /** Everything that reserve and maintain reported as failed by the store. */
  readonly died: StoredJob[] = [];
  readonly #tokens = new Set<string>();
  #made = 0;

  static async open(target: ConformanceTarget, retention: RetentionOverride = {}): Promise<Stage> {
    return new Stage(await openFirst(target, retention));
  }

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
  /** `withinMs`: how much time may pass until it answers. */
  async reserve(take: Take = {}, withinMs?: number): Promise<ReserveResult> {
    const { driver = this.driver, ...changes } = take;
    const request: ReserveRequest = { queues: [QUEUE], max: 1, leaseMs: this.leaseMs, waitMs: 0, ...changes };
    const start = this.clock.monotonic();
    const result = await this.settles(driver.reserve(request), withinMs ?? request.waitMs + this.patienceMs, "reserve");
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

  async maintain(
    driver: Driver = this.driver,
    max = 1_000,
    withinMs: number = this.patienceMs,
  ): Promise<MaintainResult> {
    const result = await this.settles(driver.maintain({ max }), withinMs, "maintain");
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
    const start = this.clock.monotonic();
    const got = [...(await this.takeUpTo(count, take))];
    // They must come, and on a busy machine in real time they may take their time; the cases that are about lateness measure it.
    while (!this.isVirtual && got.length < count && this.clock.monotonic() - start < BUSY_MS)
      got.push(...(await this.takeUpTo(count - got.length, take)));
    assert.equal(got.length, count, `${count} jobs can be reserved from ${(take.queues ?? [QUEUE]).join(", ")}`);
    return got;
  }

  async takeOne(take: Take = {}): Promise<Reservation> {
    const [only] = await this.take(1, take);
    assert.ok(only);
    return only;
  }

  /**
   * Takes, one after the other, what there is, and finishes it. The ids in the order in which they came. `wanted` must come, and in real time may take their
   * time as in `take`; whatever else there is comes, too.
   */
  async drain(wanted: number): Promise<readonly string[]> {
    const ids: string[] = [];
    let last = this.clock.monotonic();
    for (;;) {
      const [next] = await this.takeUpTo(1);
      if (next !== undefined) {
        ids.push(next.job.id);
        await this.done(next);
        last = this.clock.monotonic();
      } else if (this.isVirtual || ids.length >= wanted || this.clock.monotonic() - last >= BUSY_MS) return ids;
    }
  }

  async nothing(take: Take = {}): Promise<void> {
    const waitMs = this.isVirtual ? 0 : 50;
    // Virtual time stands still: an answer that real input and output keep for long must not be that of a later instant, at which there is a job.
    const withinMs = this.isVirtual ? 0 : waitMs + this.patienceMs;
    const wanted = `no job can be reserved from ${(take.queues ?? [QUEUE]).join(", ")} now`;
    for (let round = 0; round < 2; round += 1) {
      const { reservations } = await this.reserve({ waitMs, ...take, max: 5 }, withinMs);
      assert.deepEqual(idsOf(reservations), [], wanted);
      await this.maintain(take.driver, undefined, withinMs);
    }
    const { reservations } = await this.reserve({ waitMs: 0, ...take, max: 5 }, withinMs);
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
