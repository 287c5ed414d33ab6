import assert from "node:assert/strict";
import type { Capabilities, Clock, Driver, Retention } from "../../contract/index.ts";
import { silentLogger, sleep, systemClock } from "../../runtime/index.ts";
import type { ConformanceTarget } from "./target.ts";

export const KEEP_ALL: Retention = { count: Infinity, ageMs: Infinity };
const KEEP_NONE: Retention = { count: 0, ageMs: Infinity };
const HUNG_AFTER_MS = 10_000;
/** One of them passes after each step of virtual time. */
const INPUT_SLICES = 50;

export type RetentionOverride = Readonly<{ completed?: Retention; failed?: Retention }>;

type Opened = Readonly<{
  target: ConformanceTarget;
  driver: Driver;
  capabilities: Capabilities;
  retention: RetentionOverride;
  /** Timers that somebody else left on the clock. */
  armedBefore: number;
}>;

export async function openFirst(target: ConformanceTarget, retention: RetentionOverride): Promise<Opened> {
  const armedBefore = target.clock?.armed ?? 0;
  const driver = await target.open();
  return { target, driver, capabilities: await openOne(target, driver, retention), retention, armedBefore };
}

async function openOne(target: ConformanceTarget, driver: Driver, retention: RetentionOverride): Promise<Capabilities> {
  return driver.open({
    clock: target.clock ?? systemClock,
    logger: silentLogger,
    retention: { completed: retention.completed ?? KEEP_NONE, failed: retention.failed ?? KEEP_ALL },
  });
}

/** The drivers of one case and their time: opening, closing and killing them, and letting time pass, virtual or real. */
export class Surroundings {
  readonly target: ConformanceTarget;
  readonly capabilities: Capabilities;
  readonly clock: Clock;
  /** Where calls go that name no driver. After `loseLeases` it may be another one. */
  driver: Driver;
  readonly #retention: RetentionOverride;
  readonly #open: Set<Driver>;
  readonly #armedBefore: number;

  protected constructor({ target, driver, capabilities, retention, armedBefore }: Opened) {
    this.target = target;
    this.driver = driver;
    this.capabilities = capabilities;
    this.clock = target.clock ?? systemClock;
    this.#retention = retention;
    this.#open = new Set([driver]);
    this.#armedBefore = armedBefore;
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
    return Math.max(this.capabilities.lease.minMs, this.isVirtual ? 5_000 : (this.target.shortLeaseMs ?? 300));
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

  /** Waits for a driver whose connection may have gone with an answer. In real time, which is what connecting takes. */
  async isBack(): Promise<void> {
    const end = systemClock.monotonic() + HUNG_AFTER_MS;
    for (;;) {
      const answer = this.driver.maintain({ max: 1 }).then(
        () => true,
        () => false,
      );
      if (await this.settles(answer, this.patienceMs, "maintain")) return;
      assert.ok(systemClock.monotonic() < end, `a driver that lost an answer is back within ${HUNG_AFTER_MS} ms`);
      await sleep(systemClock, 20);
    }
  }

  /** In slices: after a stall of the process a timer fires before what has come is heard, and one for the whole time would be over then. */
  async #realInput(watched: Promise<void>, slices = INPUT_SLICES): Promise<void> {
    const { realInputMs = 0 } = this.target;
    if (realInputMs <= 0) return;
    const limit = new AbortController();
    for (let left = slices, isOver = false; left > 0 && !isOver; left -= 1) {
      const slice = sleep(systemClock, realInputMs / INPUT_SLICES, limit.signal);
      isOver = (await Promise.race([watched, slice])) !== "elapsed";
    }
    limit.abort();
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
      if (!settled) await this.#realInput(watched);
      const step = Math.max(1, Math.ceil(withinMs / 40));
      for (let passed = 0; !settled && passed < withinMs; passed += step) {
        await clock.advance(step);
        if (!settled) await this.#realInput(watched, 1);
      }
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
}
