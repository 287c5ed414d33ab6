import type { EtcdClient } from "./client/etcd-client.ts";
import { EtcdRefusal, STATUS } from "./client/failures.ts";
import type { EtcdKeys } from "./keys.ts";

/** A server that takes fewer says so itself: together with compares, which it counts apart, most transactions still fit. */
const LEAST = 16;

/**
 * How many operations one transaction takes on this etcd (--max-txn-ops), at most `wanted`: found without a write, because it is told only by refusing. etcd counts
 * compares and writes apart, so together they fit, too.
 * @throws what the client throws.
 */
export async function mostOperations(client: EtcdClient, keys: EtcdKeys, wanted: number): Promise<number> {
  if (await takes(client, keys, wanted)) return wanted;
  let [taken, refused] = [LEAST, wanted];
  while (refused - taken > 1) {
    const middle = Math.floor((taken + refused) / 2);
    if (await takes(client, keys, middle)) taken = middle;
    else refused = middle;
  }
  return taken;
}

async function takes(client: EtcdClient, { layout }: EtcdKeys, operations: number): Promise<boolean> {
  try {
    await client.transact(Array(operations).fill({ key: layout, exists: false }), []);
    return true;
  } catch (error) {
    if (isTooManyOperations(error)) return false;
    throw error;
  }
}

function isTooManyOperations(error: unknown): boolean {
  return (
    error instanceof EtcdRefusal &&
    error.status === STATUS.invalidArgument &&
    error.details.includes("too many operations")
  );
}
