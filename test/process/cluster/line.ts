import { setTimeout as delay } from "node:timers/promises";
import { ClusterObserver } from "../../../src/entry/index.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { clusterIn, type Place } from "./place.ts";

const PATIENCE_MS = 60_000;

/** Resolves when that many hold that lock or wait for it. Its requests are counted like all others. */
export async function lineIs(place: Place, name: string, length: number): Promise<void> {
  const cluster = clusterIn(place, { nodeId: "observer", logger: silentLogger });
  await using observer = await ClusterObserver.open(cluster);
  const end = performance.now() + PATIENCE_MS;
  for (let found = 0; found !== length; await delay(50)) {
    if (performance.now() > end) throw new Error(`${found} stand for ${name}, not ${length}`);
    const line = (await observer.locks()).find((lock) => lock.name === name);
    found = line === undefined ? 0 : 1 + line.waiting.length;
  }
}
