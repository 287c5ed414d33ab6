import type { StoredStats } from "../../contract/index.ts";
import type { OpenStore } from "./open-store.ts";
import { storedText } from "./text.ts";

/** Of one queue, or of all together: then `paused` says whether every queue is. Exact, of one moment: it counts an index of each state. */
export async function readStats(store: OpenStore, queue: string | undefined): Promise<StoredStats> {
  const [row = []] = await store.query("stats", [queue === undefined ? null : storedText(queue)]);
  const [pending, delayed, reserved, failed, completed, oldest, paused] = row;
  return {
    pending: Number(pending),
    delayed: Number(delayed),
    reserved: Number(reserved),
    failed: Number(failed),
    completed: Number(completed),
    oldestPendingAt: typeof oldest === "string" ? Number(oldest) : undefined,
    paused: paused === "t",
  };
}
