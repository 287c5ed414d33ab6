/** Several queue drivers on one store that loses requests and answers, is cut off, and whose clients die. */
import { setImmediate as nextImmediate } from "node:timers/promises";
import type { Driver, FinishItem, Reservation } from "../../../src/contract/index.ts";
import { item, type Member, noAnswer, type Stage, take } from "./stage.ts";

type Start = { readonly id: string; readonly until: number; isOver: boolean };
/** `mayBeDone`: a finish that was never answered. */
type Job = { isStored: boolean; isDone: boolean; mayBeDone: boolean; start: Start | undefined };
/** `ends`: how each is finished, which is repeated as it was. */
type Mine = {
  readonly member: Member;
  readonly held: Map<Reservation, Start>;
  readonly ends: Map<Reservation, FinishItem>;
};

export function chance(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** What was seen, and what must not be. */
class History {
  readonly wrong: string[] = [];
  readonly jobs = new Map<string, Job>();
  readonly #stage: Stage;

  constructor(on: Stage) {
    this.#stage = on;
  }

  of(id: string): Job {
    const known = this.jobs.get(id) ?? { isStored: false, isDone: false, mayBeDone: false, start: undefined };
    this.jobs.set(id, known);
    return known;
  }

  started(id: string, claimedAt: number, leaseMs: number): Start {
    const job = this.of(id);
    const { clock } = this.#stage;
    if (job.isDone) this.wrong.push(`${id} started again after it was done`);
    if (job.start !== undefined && !job.start.isOver && job.start.until > clock.monotonic())
      this.wrong.push(`${id} has two leases`);
    job.start = { id, until: claimedAt + leaseMs, isOver: false };
    return job.start;
  }
}

/** One run. @returns what went wrong. */
export async function storm(on: Stage, seed: number, steps: number): Promise<readonly string[]> {
  const below = chance(seed);
  const { clock } = on;
  const history = new History(on);
  const members: Mine[] = [];
  const heals: (() => void)[] = [];
  let made = 0;
  let isCalm = false;

  const join = async (): Promise<void> => {
    const member = await on.join({}, { operations: 24 });
    const { client } = member;
    const { get, list } = client;
    const lag = async (): Promise<void> => {
      for (let turns = below(3); turns > 0; turns -= 1) await nextImmediate();
    };
    client.onTransact = async (_writes, send) => {
      await lag();
      const fate = isCalm ? 99 : below(20);
      if (fate === 0) throw noAnswer();
      const result = await send();
      if (fate <= 2) throw noAnswer();
      await lag();
      return result;
    };
    const flaky = async (): Promise<void> => {
      await lag();
      if (!isCalm && below(25) === 0) throw noAnswer();
    };
    client.get = async (key) => {
      await flaky();
      return get(key);
    };
    client.list = async (prefix, options) => {
      await flaky();
      return list(prefix, options);
    };
    members.push({ member, held: new Map(), ends: new Map() });
  };

  const push = async (driver: Driver): Promise<void> => {
    const items = Array.from({ length: 1 + below(5) }, () => {
      made += 1;
      return item(`job-${made}`, { maxLosses: 1_000, delayMs: below(3) === 0 ? below(4_000) : 0 });
    });
    const results = await driver.push(items);
    for (const [index, { id }] of items.entries())
      if (results[index]?.status === "stored") history.of(id).isStored = true;
  };

  const reserve = async ({ member: { driver }, held }: Mine): Promise<void> => {
    const leaseMs = 1_000 + below(20_000);
    const before = clock.monotonic();
    const request = { queues: ["q"], max: 1 + below(8), leaseMs, waitMs: 0 };
    const { reservations, claimedAt = before } = await driver.reserve(request);
    for (const one of reservations) held.set(one, history.started(one.job.id, claimedAt, leaseMs));
  };

  const endOf = (reservation: Reservation): FinishItem => {
    if (below(4) > 0) return { reservation, outcome: "done" };
    return { reservation, outcome: "release", delayMs: below(2) * 500 };
  };

  const finish = async ({ member: { driver }, held, ends }: Mine): Promise<void> => {
    const some = [...held].filter(() => below(2) === 0);
    const items = some.map(([reservation]) => ends.get(reservation) ?? endOf(reservation));
    for (const one of items) ends.set(one.reservation, one);
    // By the answer, or because the lease is over: the next may begin from the call on.
    for (const [index, [, start]] of some.entries()) if (items[index]?.outcome === "release") start.isOver = true;
    const answers = await driver.finish(items);
    for (const [index, [reservation, start]] of some.entries()) {
      const [answer, one] = [answers[index], items[index]];
      if (answer === "unknown") {
        history.of(start.id).mayBeDone ||= one?.outcome === "done";
        continue;
      }
      held.delete(reservation);
      start.isOver = true;
      const job = history.of(start.id);
      if (answer !== "ok" || one?.outcome !== "done") continue;
      if (job.isDone) history.wrong.push(`${start.id} was done twice`);
      if (job.start !== start) history.wrong.push(`${start.id} was done by a stale lease`);
      job.isDone = true;
    }
  };

  const extend = async ({ member: { driver }, held }: Mine): Promise<void> => {
    const [first] = held;
    if (first === undefined) return;
    const [reservation, start] = first;
    const [leaseMs, before] = [1_000 + below(40_000), clock.monotonic()];
    const [answer] = await driver.extend([{ reservation, leaseMs }]);
    const extended = { ...start, until: before + leaseMs };
    if (answer !== "ok" || history.of(start.id).start !== start) return;
    history.of(start.id).start = extended;
    held.set(reservation, extended);
  };

  const act = async (): Promise<void> => {
    const mine = members[below(members.length)];
    if (mine === undefined) return join();
    const { driver, client } = mine.member;
    const kind = below(100);
    if (kind < 25) await push(driver);
    else if (kind < 50) await reserve(mine);
    else if (kind < 75) await finish(mine);
    else if (kind < 85) await extend(mine);
    else if (kind < 93) await driver.maintain({ max: 20 });
    else if (kind < 96) heals.push(client.cut());
    else if (kind < 98) for (const heal of heals.splice(0)) heal();
    else {
      // Its handlers die with it, and its leases live on.
      client.die();
      members.splice(members.indexOf(mine), 1);
      await join();
    }
  };

  await join();
  await join();
  await join();
  for (let step = 0; step < steps; step += 1) {
    await Promise.all(Array.from({ length: 1 + below(4) }, () => act().catch(() => undefined)));
    if (below(3) === 0) await clock.advance(below(below(10) === 0 ? 12_000 : 1_500));
  }

  isCalm = true;
  for (const heal of heals.splice(0)) heal();
  await clock.advance(90_000);
  await join();
  const drain = members.at(-1);
  if (drain === undefined) throw new Error("nobody is left");
  for (let round = 0; round < 40; round += 1) {
    await clock.advance(3_000);
    for (const { member } of members) await member.driver.maintain({ max: 1_000 });
    for (const reservation of await take(drain.member.driver, 100, 60_000)) {
      const start = history.started(reservation.job.id, clock.monotonic(), 60_000);
      const [answer] = await drain.member.driver.finish([{ reservation, outcome: "done" }]);
      if (answer !== "ok") history.wrong.push(`${start.id} could not be finished in a calm: ${answer}`);
      history.of(start.id).isDone = answer === "ok";
    }
  }
  for (const [id, { isStored, isDone, mayBeDone }] of history.jobs)
    if (isStored && !isDone && !mayBeDone) history.wrong.push(`${id} is lost`);
  const { pending, delayed, reserved } = await drain.member.driver.stats();
  if (pending !== 0 || delayed !== 0 || reserved !== 0)
    history.wrong.push(`counters drifted: ${pending} pending, ${delayed} delayed, ${reserved} reserved`);
  const { jobs } = (await drain.member.driver.records?.list({}, { limit: 1_000 })) ?? { jobs: [] };
  if (jobs.length > 0)
    history.wrong.push(`${jobs.length} jobs are left: ${jobs.map(({ id, state }) => `${id} ${state}`).join()}`);
  return history.wrong;
}
