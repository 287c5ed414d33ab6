import type { CoordinationStore, CoordinationWrite } from "../../src/contract/index.ts";

/** Of this process: transactions that claim jobs, and how many of them others spoiled. */
export const claims: { sent: number; refused: number } = { sent: 0, refused: 0 };

/** A job that is held lies under its owner's name, and an end deletes it there. */
const isClaim = (writes: readonly CoordinationWrite[]): boolean =>
  writes.some((write) => "put" in write && write.put.startsWith("jobs/p."));

/** Counts and changes nothing. */
export function countingClaims(store: CoordinationStore): CoordinationStore {
  const transact = store.transact.bind(store);
  store.transact = async (compares, writes) => {
    const result = await transact(compares, writes);
    if (isClaim(writes)) claims.sent += 1;
    if (isClaim(writes) && !result.ok) claims.refused += 1;
    return result;
  };
  return store;
}
