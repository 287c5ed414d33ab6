import type { Partition } from "./keys.ts";
import type { RedisStore } from "./store.ts";

/** Names are few, and a set of them is not a queue: it is read whole. */
export async function queuesOf(store: RedisStore, { tag, route }: Partition): Promise<readonly string[]> {
  const names = (await store.send(["SMEMBERS", `${tag}queues`], route)) as Iterable<unknown>;
  return [...names].map(String);
}

export async function listQueues(store: RedisStore): Promise<readonly string[]> {
  const names = new Set<string>();
  for (const partition of store.partitions) for (const name of await queuesOf(store, partition)) names.add(name);
  return [...names];
}
