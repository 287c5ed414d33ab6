import type { Compare, StoredJob, Version } from "../../contract/index.ts";
import { type Kept, lost, released, stored } from "./job-value.ts";
import type { JobStore } from "./job-store.ts";
import { waitingBytes } from "./keys.ts";
import type { Committed } from "./ledger.ts";
import type { Count, Counted, Part } from "./part.ts";
import type { Placed } from "./shelves.ts";

/** Where a job is before it moves. */
export type Place = Readonly<{ key: string; version: Version; counted: Counted }>;

/** One job's share of a transaction, and what it means when that is done. */
export type Move = Readonly<{
  part: Part;
  /** Became ready on this queue. */
  ready?: string;
  /** Is delayed until then, under this marker. */
  due?: Readonly<{ marker: string; at: number }>;
  /** The store failed it. */
  dead?: StoredJob;
}>;

export function toReady({ shelves }: JobStore, from: Place, job: Kept): Move {
  return { part: partOf(from, job, "pending", shelves.ready(job)), ready: job.queue };
}

export function toDelayed({ shelves, keys }: JobStore, from: Place, job: Kept): Move {
  const placed = shelves.delayed(job);
  const marker = keys.marker("d", keys.bucketOf(placed.key));
  return { part: partOf(from, job, "delayed", placed), due: { marker, at: job.availableAt } };
}

export function toFailed(js: JobStore, from: Place, job: Kept): Move {
  if (!js.keeps.failed) return gone(js, from, job);
  return { part: partOf(from, job, "failed", js.shelves.failed(job)) };
}

export function toCompleted(js: JobStore, from: Place, job: Kept): Move {
  if (!js.keeps.completed) return gone(js, from, job, "completed");
  const part = partOf(from, job, "completed", js.shelves.completed(job));
  return { part: { ...part, counts: [...part.counts, { queue: job.queue, what: "kept", by: 1 }] } };
}

/** Its id is free again. */
export function gone({ keys }: JobStore, from: Place, { id, queue }: Kept, counted?: Counted): Move {
  const compares = [{ key: from.key, version: from.version, once: true }];
  const writes = [{ delete: from.key }, { delete: keys.id(id) }];
  const counts: Count[] = [{ queue, what: from.counted, by: -1 }, ...bytesMoved(queue, from.key)];
  if (counted !== undefined) counts.push({ queue, what: counted, by: 1 });
  return { part: { compares, writes, counts } };
}

/** Whoever held it lost it: ready again, or failed. */
export function toLost(js: JobStore, from: Place, held: Kept): Move {
  const { job, isDead } = lost(held, js.clock.now());
  return isDead ? { ...toFailed(js, from, job), dead: stored(job, "failed") } : toReady(js, from, job);
}

/** It cannot be read: nobody runs it, and nobody drops it. */
export function toParked(js: JobStore, from: Place, job: Kept): Move {
  const failure = {
    code: "ENVELOPE_DAMAGED",
    name: "JobferryError",
    message: `The key ${from.key} did not hold a job. Its bytes, as many as fit, are the payload of this one, which is parked in failed.`,
    stack: undefined,
  };
  const parked = { ...released(job, job.availableAt), failure, finishedAt: Math.floor(js.clock.now()) };
  return { ...toFailed(js, from, parked), dead: stored(parked, "failed") };
}

/** What a job takes from the bytes that wait, and adds to them. */
export function bytesMoved(queue: string, from: string | undefined, to?: string): readonly Count[] {
  const by = (to === undefined ? 0 : waitingBytes(to)) - (from === undefined ? 0 : waitingBytes(from));
  return by === 0 ? [] : [{ queue, what: "bytes", by }];
}

function partOf(from: Place, { queue }: Kept, counted: Counted, { key, writes }: Placed): Part {
  const compares: readonly Compare[] = [{ key: from.key, version: from.version, once: true }];
  const counts: readonly Count[] = [
    { queue, what: from.counted, by: -1 },
    { queue, what: counted, by: 1 },
    ...bytesMoved(queue, from.key, key),
  ];
  return { compares, writes: [{ delete: from.key }, ...writes], counts };
}

/** After the transaction: who waits is told, and what died is kept to be told. */
export function done(js: JobStore, moves: readonly Move[], committed: Committed): void {
  if (!committed.ok) return;
  const ready = new Map<string, number>();
  for (const { ready: queue, due } of moves) {
    if (queue !== undefined) ready.set(queue, (ready.get(queue) ?? 0) + 1);
    if (due !== undefined) js.delays.placed(due.marker, committed.versions?.get(due.marker) ?? "", due.at);
  }
  const dead = moves.flatMap((move) => (move.dead === undefined ? [] : [move.dead]));
  if (dead.length > 0) js.died(dead);
  for (const [queue, jobs] of ready) js.woke(queue, jobs);
}
