/** Queue drivers over one store in memory, on a virtual clock, with faults at chosen moments. */
import { afterEach } from "vitest";
import type {
  CoordinationStore,
  CoordinationWrite,
  Driver,
  PushItem,
  Reservation,
  Retention,
  TransactResult,
} from "../../../src/contract/index.ts";
import { type CoordinatedOptions, coordinatedDriver } from "../../../src/drivers/coordinated/index.ts";
import { MemoryCoordination, memoryCoordinationStore } from "../../../src/drivers/memory/coordination-store.ts";
import { type VirtualClock, virtualClock } from "../../../src/testing/virtual-clock.ts";
import { FaultyClient } from "../../conformance/coordination/faults.ts";

type Transact = () => Promise<TransactResult>;
type Limits = CoordinationStore["capabilities"]["limits"];

export class Client extends FaultyClient {
  readonly limits: Partial<Limits>;
  /** Every transaction goes through it. */
  onTransact: (writes: readonly CoordinationWrite[], send: Transact) => Promise<TransactResult> = (_, send) => send();
  onList: (prefix: string) => void | Promise<void> = () => undefined;
  /** Renewals of its sessions are answered. */
  renews = true;
  /** As a store whose sessions may end before their time. */
  mayEndEarly = false;

  constructor(inner: CoordinationStore, limits: Partial<Limits>) {
    super(inner);
    this.limits = limits;
    const { list, openSession } = this;
    this.list = async (prefix, options) => {
      await this.onList(prefix);
      return list(prefix, options);
    };
    this.openSession = async (ttlMs) => {
      const session = await openSession(ttlMs);
      const renew: typeof session.renew = async () => {
        if (!this.renews) throw noAnswer();
        return session.renew();
      };
      return { ...session, renew };
    };
  }

  override get capabilities(): CoordinationStore["capabilities"] {
    const all = super.capabilities;
    const session = { ...all.session, mayEndEarly: this.mayEndEarly };
    return { ...all, session, limits: { ...all.limits, ...this.limits } };
  }

  override transact: CoordinationStore["transact"] = (compares, writes) =>
    this.onTransact(writes, async () => {
      this.check();
      const result = await this.inner.transact(compares, writes);
      this.check();
      return result;
    });

  /** The next `times` transactions that `concern` are done, and their answers lost. */
  loseAnswers(concern: (writes: readonly CoordinationWrite[]) => boolean, times: number): void {
    let left = times;
    this.onTransact = async (writes, send) => {
      if (left === 0 || !concern(writes)) return send();
      left -= 1;
      await send();
      throw noAnswer();
    };
  }

  heal(): void {
    this.onTransact = (_, send) => send();
  }
}

export const noAnswer = (): Error => new Error("The answer was lost.");
const keyOf = (write: CoordinationWrite): string => ("put" in write ? write.put : write.delete);
export const writesTo =
  (part: string) =>
  (writes: readonly CoordinationWrite[]): boolean =>
    writes.some((write) => keyOf(write).includes(part));
export const puts =
  (part: string) =>
  (writes: readonly CoordinationWrite[]): boolean =>
    writes.some((write) => "put" in write && write.put.includes(part));
/** A transaction that takes jobs from those who hold them. */
export const endsHeld = (writes: readonly CoordinationWrite[]): boolean =>
  writes.some((write) => "delete" in write && write.delete.includes("/p."));

export type Member = Readonly<{ driver: Driver; client: Client; maxPayload: number }>;
export type Stage = Readonly<{
  clock: VirtualClock;
  join(options?: CoordinatedOptions, limits?: Partial<Limits>, failed?: Retention): Promise<Member>;
}>;

let opened: Driver[] = [];

export function stage(): Stage {
  const clock = virtualClock();
  const shared = new MemoryCoordination();
  return {
    clock,
    join: async (options = {}, limits = {}, failed = { count: Infinity, ageMs: Infinity }) => {
      const clients: Client[] = [];
      const connect = (): Client => {
        const client = new Client(memoryCoordinationStore(shared), limits);
        clients.push(client);
        return client;
      };
      const driver = coordinatedDriver({ name: "coordinated", connect, ...options });
      const logger = { debug() {}, info() {}, warn() {}, error() {} };
      const { payload } = await driver.open({
        clock,
        logger,
        retention: { completed: { count: 0, ageMs: 0 }, failed },
      });
      opened.push(driver);
      const [client] = clients;
      if (client === undefined) throw new Error("no client was made");
      return { driver, client, maxPayload: payload.maxBytes };
    },
  };
}

afterEach(async () => {
  await Promise.all(opened.map((driver) => driver.close()));
  opened = [];
});

export function item(id: string, more: Partial<PushItem> = {}): PushItem {
  const bytes = new Uint8Array([1]);
  return {
    ...{ id, sequence: undefined, queue: "q", name: "default", priority: 0, tags: {}, delayMs: 0, runAt: undefined },
    ...{ maxLosses: 3, createdAt: 0, envelope: bytes, payload: bytes, ...more },
  };
}

export async function take(driver: Driver, max = 1, leaseMs = 30_000): Promise<readonly Reservation[]> {
  return (await driver.reserve({ queues: ["q"], max, leaseMs, waitMs: 0 })).reservations;
}

export async function takeOne(driver: Driver, leaseMs = 30_000): Promise<Reservation> {
  const [reservation] = await take(driver, 1, leaseMs);
  if (reservation === undefined) throw new Error("there is no job");
  return reservation;
}

export const idsOf = (reservations: readonly Reservation[]): readonly string[] => reservations.map(({ job }) => job.id);

/** Limits with which a bucket has eight jobs, and one transaction takes them with their marker. */
export const EIGHT_A_BUCKET: Partial<Limits> = { operations: 32 };

/** In the order of their numbers. */
export const names = (from: number, to: number): readonly string[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => `job-${String(from + index).padStart(2, "0")}`);

/** Two processes that know of each other. */
export async function meet(
  { join, clock }: Stage,
  limits: Partial<Limits>,
): Promise<Readonly<{ a: Member; b: Member }>> {
  const [a, b] = [await join({}, limits), await join({}, limits)];
  await clock.advance("1s");
  return { a, b };
}

/** One that claims has seen that nobody spoils its claims: then it takes much at once. */
export async function prove(producer: Driver, consumer: Driver): Promise<void> {
  await producer.push(names(1, 8).map((id) => item(`prove-${id}`)));
  const claims = [await take(consumer, 3), await take(consumer, 3), await take(consumer, 2)];
  await consumer.finish(claims.flat().map((reservation) => ({ reservation, outcome: "done" })));
}
