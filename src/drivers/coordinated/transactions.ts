import type { Compare } from "../../contract/index.ts";
import type { JobStore } from "./job-store.ts";
import type { Committed } from "./ledger.ts";
import type { Life } from "./life.ts";
import { done, type Move } from "./moves.ts";
import { firstGroup, type Part } from "./part.ts";

/** The store refused several jobs in one transaction for their size or number: nothing was done, and fewer may go. */
export class TooMuch extends Error {
  constructor(cause: unknown) {
    super("The transaction is more than the store takes.", { cause });
    this.name = "TooMuch";
  }
}

/** All parts or none. @throws TooMuch, after which the room is smaller; and as the ledger does. */
export async function commit(
  js: JobStore,
  life: Life,
  parts: readonly Part[],
  compares: readonly Compare[] = [],
): Promise<Committed> {
  try {
    return await life.ledger.commit(parts, compares);
  } catch (error) {
    // One alone cannot be cut: then this is what is wrong with it.
    if (parts.length > 1 && js.room.refused(parts, js.store.classify(error).code)) throw new TooMuch(error);
    throw error;
  }
}

/**
 * In order, each group as large as one transaction allows. `run` commits one; what is too much for the store is cut, and goes again. `atOnce`: so many are
 * under way at once, where their order does not matter; all of these are waited for, whatever becomes of one.
 */
export async function* inTransactions<T, R>(
  { room }: JobStore,
  items: readonly T[],
  partOf: (item: T) => Part,
  run: (group: readonly T[]) => Promise<R>,
  atOnce: number = 1,
): AsyncGenerator<readonly [group: readonly T[], result: R], void, undefined> {
  for (let left = items; left.length > 0;) {
    const groups: (readonly T[])[] = [];
    for (let rest = left; rest.length > 0 && groups.length < atOnce; left = rest) {
      const group = firstGroup(rest, partOf, room);
      groups.push(group);
      rest = rest.slice(group.length);
    }
    const settled = await Promise.allSettled(groups.map(run));
    const again: T[] = [];
    for (const [index, one] of settled.entries()) {
      const group = groups[index] ?? [];
      if (one.status === "fulfilled") yield [group, one.value];
      else if (one.reason instanceof TooMuch) again.push(...group);
    }
    const failed = settled.find((one) => one.status === "rejected" && !(one.reason instanceof TooMuch));
    if (failed?.status === "rejected") throw failed.reason;
    left = [...again, ...left];
  }
}

/** `isTooLarge`: one job alone that the servers do not take as it would become, because they take less than when it was stored. It stays where it is. */
export type Moved = Readonly<{ group: readonly Move[]; ok: boolean; isTooLarge: boolean }>;

/** The same for moves, of which is told what they mean. */
export async function* moving(
  js: JobStore,
  life: Life,
  moves: readonly Move[],
  compares: readonly Compare[] = [],
): AsyncGenerator<Moved, void, undefined> {
  const run = (group: readonly Move[]): Promise<Committed | "tooLarge"> => {
    const parts = group.map(({ part }) => part);
    return commit(js, life, parts, compares).catch((error: unknown) => {
      if (group.length === 1 && isTooLarge(js, error)) return "tooLarge";
      throw error;
    });
  };
  for await (const [group, committed] of inTransactions(js, moves, ({ part }) => part, run)) {
    if (committed !== "tooLarge") done(js, group, committed);
    yield { group, ok: committed !== "tooLarge" && committed.ok, isTooLarge: committed === "tooLarge" };
  }
}

/** Of one job alone. */
export const isTooLarge = ({ store }: Pick<JobStore, "store">, error: unknown): boolean =>
  store.classify(error).code === "PAYLOAD_TOO_LARGE";

/** @returns how many were done. */
export async function moveAll(js: JobStore, life: Life, moves: readonly Move[]): Promise<number> {
  let count = 0;
  for await (const { group, ok } of moving(js, life, moves)) if (ok) count += group.length;
  return count;
}
