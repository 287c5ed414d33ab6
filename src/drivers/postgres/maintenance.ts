import type { MaintainResult, Retention } from "../../contract/index.ts";
import { prunes } from "../shared/retention.ts";
import { type Maintained, maintained } from "./claim.ts";
import type { OpenStore } from "./open-store.ts";
import { COMPLETED, FAILED } from "./schema.ts";

/** Claims walk over the dead entries at the front of their index: 100,000 cost each about 1 ms. */
const DEAD_ROWS = 50_000;

/** Promotes what is due, takes back what ran out, prunes: at most `max` of each. Safe in any number of processes: rows in work are skipped. */
export async function maintainStore(
  store: OpenStore,
  { max, signal }: Readonly<{ max: number; signal?: AbortSignal | undefined }>,
): Promise<MaintainResult> {
  const rows = await store.query("maintain", [max]);
  const died = rows.length > 1 ? await named(store, rows) : maintained(rows, new Map());
  if (died.promoted + died.recovered > 0) store.waiting.look();
  const { completed, failed } = store.context.retention;
  let pruned = 0;
  if (!signal?.aborted) pruned += await prune(store, COMPLETED, completed, max);
  if (!signal?.aborted) pruned += await prune(store, FAILED, failed, max);
  if (!signal?.aborted) await sweep(store);
  return store.died.reportIn({ ...died, pruned });
}

async function named(store: OpenStore, rows: Parameters<typeof maintained>[0]): Promise<Maintained> {
  const queues = await store.queueNames();
  return maintained(rows, new Map(queues.map(({ id, name }) => [String(id), name])));
}

async function prune(store: OpenStore, state: number, retention: Retention, max: number): Promise<number> {
  if (!prunes(retention)) return 0;
  const { count, ageMs } = retention;
  const kept = Number.isFinite(count) ? count : Number.MAX_SAFE_INTEGER;
  // Older than the epoch is nothing.
  const age = Number.isFinite(ageMs) ? ageMs : Number.MAX_SAFE_INTEGER;
  const [row] = await store.query("prune", [state, kept, age, max]);
  return Number(row?.[0] ?? 0);
}

/**
 * The server's own vacuum comes once a minute at best, in which a busy queue leaves millions of dead rows. Skipped where another one is at
 * work; without the right to it the server only warns.
 */
async function sweep(store: OpenStore): Promise<void> {
  const [row] = await store.query("dead", []);
  if (Number(row?.[0] ?? 0) < DEAD_ROWS) return;
  store.vacuum();
}
