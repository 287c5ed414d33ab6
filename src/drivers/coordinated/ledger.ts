import type { Compare, CoordinationStore, CoordinationWrite, Version } from "../../contract/index.ts";
import { JobferryError } from "../../errors/index.ts";
import { type Counts, decodeCounter, encodeCounter, NO_COUNTS } from "./counters.ts";
import type { Keys } from "./keys.ts";
import { keyOf, type Part } from "./part.ts";
import { Turns } from "./turns.ts";

/** A counter of one queue that one transaction at a time writes. `counts` is what it holds in the store under `version`. */
type Slot = {
  readonly queue: string;
  readonly key: string;
  counts: Counts;
  serial: number;
  version: Version | undefined;
  isTaken: boolean;
  /** Of a transaction that wrote it and was not answered. */
  doubt: Doubt | undefined;
};

/** `serial`: what the transaction wrote, or would have. */
type Doubt = { readonly serial: number; wasDone: boolean | undefined; settling: Promise<void> | undefined };

/** `versions` of the keys that were put; undefined when the answer was lost and only reading back told that it was done. */
export type Committed =
  | Readonly<{ ok: true; versions: ReadonlyMap<string, Version> | undefined }>
  | Readonly<{ ok: false }>;

/** A transaction without an answer. Until it is settled nobody knows whether it was done, or still will be. */
export class Unanswered extends Error {
  /** Whether it was done. After the answer no it can never be done any more. Rejects while the store does not answer. */
  readonly settle: () => Promise<boolean>;

  constructor(cause: unknown, settle: () => Promise<boolean>) {
    super("The store did not answer.", { cause });
    this.name = "Unanswered";
    this.settle = settle;
  }
}

/** Transactions of one process that are under way at once. Each has counters of its own, which stay. */
const AT_ONCE = 8;
/** What a store refuses before it does anything. A client that is closed ends calls that were sent. */
const NOT_DONE = new Set(["INVALID_ARGUMENT", "PAYLOAD_TOO_LARGE", "ACCESS_DENIED", "STORE_FULL", "NOT_OPEN"]);

/**
 * Every change of jobs goes through here. What moves is counted in the transaction that moves it, in a counter that this process alone writes and
 * that the transaction compares. So one whose answer was lost is settled by writing its counter once more: then it is done, or can never be.
 */
export class Ledger {
  readonly #store: CoordinationStore;
  readonly #keys: Keys;
  readonly #owner: string;
  readonly #session: string;
  readonly #slots = new Map<string, Slot[]>();
  readonly #turns = new Turns(AT_ONCE);

  constructor(store: CoordinationStore, keys: Keys, owner: string, session: string) {
    this.#store = store;
    this.#keys = keys;
    this.#owner = owner;
    this.#session = session;
  }

  /**
   * All parts or none. `ok: false`: a compare did not hold, or the session has ended.
   * @throws Unanswered; any other error says that nothing was done.
   */
  commit(parts: readonly Part[], compares: readonly Compare[] = []): Promise<Committed> {
    return this.#turns.run(async () => {
      const slots = await this.#take(new Set(parts.flatMap(({ counts }) => counts.map(({ queue }) => queue))));
      try {
        return await this.#commit(parts, compares, slots);
      } finally {
        for (const slot of slots) slot.isTaken = false;
      }
    });
  }

  async #commit(parts: readonly Part[], compares: readonly Compare[], slots: readonly Slot[]): Promise<Committed> {
    const next = slots.map((slot) => countsAfter(slot, parts));
    const writes = new Map<string, CoordinationWrite>();
    for (const part of parts) for (const write of part.writes) add(writes, write);
    for (const [index, slot] of slots.entries()) writes.set(slot.key, counterWrite(slot, next[index] ?? slot.counts));
    const list = [...writes.values()];
    try {
      const result = await this.#store.transact(
        [...compares, { session: this.#session }, ...parts.flatMap((part) => part.compares), ...slots.map(unchanged)],
        list,
      );
      if (!result.ok) return { ok: false };
      const versions = new Map(list.map((write, index) => [keyOf(write), result.versions[index] ?? ""]));
      for (const [index, slot] of slots.entries()) {
        Object.assign(slot, { counts: next[index], serial: slot.serial + 1, version: versions.get(slot.key) });
      }
      return { ok: true, versions };
    } catch (error) {
      if (NOT_DONE.has(this.#store.classify(error).code)) throw error;
      return this.#afterSilence(error, slots);
    }
  }

  /** Asks at once whether it was done. */
  async #afterSilence(error: unknown, slots: readonly Slot[]): Promise<Committed> {
    const doubts = slots.map(
      (slot) => (slot.doubt = { serial: slot.serial + 1, wasDone: undefined, settling: undefined }),
    );
    const settle = async (): Promise<boolean> => {
      const [slot, doubt] = [slots[0], doubts[0]];
      if (slot === undefined || doubt === undefined) throw error;
      if (doubt.wasDone === undefined) await this.#settle(slot, doubt);
      return doubt.wasDone === true;
    };
    const wasDone = await settle().catch(() => undefined);
    if (wasDone === undefined) throw new Unanswered(error, settle);
    if (wasDone) return { ok: true, versions: undefined };
    throw error;
  }

  /** Who asks at the same time gets the same answer: two would close the door to each other's next transaction. */
  #settle(slot: Slot, doubt: Doubt): Promise<void> {
    doubt.settling ??= this.#settleNow(slot, doubt).finally(() => (doubt.settling = undefined));
    return doubt.settling;
  }

  async #settleNow(slot: Slot, doubt: Doubt): Promise<void> {
    for (;;) {
      const entry = await this.#store.get(slot.key);
      if (entry !== undefined && entry.version !== slot.version) {
        const { serial, counts } = decodeCounter(entry.value);
        Object.assign(slot, { serial, counts, version: entry.version, doubt: undefined });
        // Else it is what closed the door to it, whose own answer was lost.
        doubt.wasDone = serial === doubt.serial;
        return;
      }
      // Somebody has added it to those of processes that are gone: it cannot tell any more.
      if (entry === undefined && slot.version !== undefined) throw sessionLost();
      const { ok, versions = [] } = { versions: undefined, ...(await this.#closeDoor(slot, doubt)) };
      if (ok) Object.assign(slot, { serial: doubt.serial + 1, version: versions[0] });
      // Refused, and then unchanged: the session has ended, which ends the transaction, too.
      else if ((await this.#store.get(slot.key))?.version !== slot.version) continue;
      slot.doubt = undefined;
      doubt.wasDone = false;
      return;
    }
  }

  /** The same counts under another serial: whatever compares the version from before can never be done. */
  #closeDoor(slot: Slot, { serial }: Doubt): ReturnType<CoordinationStore["transact"]> {
    const write = counterWrite({ ...slot, serial }, slot.counts);
    return this.#store.transact([{ session: this.#session }, unchanged(slot)], [write]);
  }

  async #take(queues: ReadonlySet<string>): Promise<readonly Slot[]> {
    const taken: Slot[] = [];
    try {
      for (const queue of queues) {
        const slot = this.#free(queue);
        slot.isTaken = true;
        taken.push(slot);
        if (slot.doubt !== undefined) await this.#settle(slot, slot.doubt);
      }
      return taken;
    } catch (error) {
      for (const slot of taken) slot.isTaken = false;
      throw error;
    }
  }

  #free(queue: string): Slot {
    const slots = this.#slots.get(queue) ?? [];
    this.#slots.set(queue, slots);
    const free = slots.find(({ isTaken }) => !isTaken);
    if (free !== undefined) return free;
    const key = this.#keys.counter(this.#owner, queue, slots.length);
    const slot = { queue, key, counts: NO_COUNTS, serial: 0, version: undefined, isTaken: false, doubt: undefined };
    slots.push(slot);
    return slot;
  }
}

/** The last of several that put the same key is written, and it is as unused as the first has found it. */
function add(writes: Map<string, CoordinationWrite>, write: CoordinationWrite): void {
  const key = keyOf(write);
  const before = writes.get(key);
  const unused = before !== undefined && "put" in before && before.unused === true;
  writes.set(key, unused && "put" in write ? { ...write, unused } : write);
}

function unchanged({ key, version }: Slot): Compare {
  return version === undefined ? { key, absent: true } : { key, version, once: true };
}

function counterWrite({ key, queue, serial }: Slot, counts: Counts): CoordinationWrite {
  return { put: key, value: encodeCounter({ queue, serial: serial + 1, counts }), once: true };
}

function countsAfter({ queue, counts }: Slot, parts: readonly Part[]): Counts {
  const next = { ...counts };
  for (const part of parts) for (const count of part.counts) if (count.queue === queue) next[count.what] += count.by;
  return next;
}

export function sessionLost(): JobferryError {
  return new JobferryError(
    "UNAVAILABLE",
    "This process's session in the store has ended: it was not renewed in time. The next call begins another one; try again.",
    { retryable: true },
  );
}
