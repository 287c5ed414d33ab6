import type { Board, Cluster, Leadership } from "../cluster/index.ts";
import type { Clock } from "../contract/index.ts";
import type { Queue } from "../core/index.ts";
import { type MetricsSample, readSample, sampleOf, writtenSample } from "./metrics-sample.ts";
import { offerOf } from "./node-load.ts";

const METRICS = "metrics";
const MOST_SAMPLES = 120;
/** Well below what the tightest store takes, and little to write again with every sample. */
const MOST_BYTES = 64 * 1024;

export type MetricsParts = Readonly<{ cluster: Cluster; board: Board; queue: Queue; clock: Clock; everyMs: number }>;

/**
 * The leader's history of the queues: one sample for each interval, kept for all nodes in the cluster's store, so that it goes on over a
 * fail-over. An interval of the clock that has a sample gets no second one, and the store takes only what the current leader writes: two
 * leaders at once, or one after the other, do not count twice.
 */
export class Metrics {
  readonly #parts: MetricsParts;

  constructor(parts: MetricsParts) {
    this.#parts = parts;
  }

  async snapshot(leadership: Leadership): Promise<void> {
    const { board, clock, everyMs, cluster, queue } = this.#parts;
    const before = await this.read();
    const at = Math.floor(clock.now());
    if (before.some((sample) => Math.floor(sample.at / everyMs) === Math.floor(at / everyMs))) return;
    const nodes = await cluster.nodes();
    const names = [...new Set(nodes.flatMap((node) => offerOf(node)?.queues ?? []))].toSorted();
    const queues = await Promise.all(names.map(async (name) => [name, sampleOf(await queue.getStats(name))] as const));
    const { nodeId } = cluster;
    const sample = { at, leaderId: nodeId, onlineNodes: nodes.length, queues: Object.fromEntries(queues) };
    await board.put(METRICS, fitting([...before, sample], board.valueBytes), leadership);
  }

  read(): Promise<readonly MetricsSample[]> {
    return readMetrics(this.#parts.board);
  }
}

/** Oldest first. */
export async function readMetrics(board: Board): Promise<readonly MetricsSample[]> {
  const found = (await board.read(METRICS))?.["samples"];
  return Array.isArray(found) ? found.map(readSample).filter((sample) => sample !== undefined) : [];
}

/** The newest ones that there is room for. */
function fitting(all: readonly MetricsSample[], valueBytes: number): object {
  const samples = all.slice(-MOST_SAMPLES).map(writtenSample);
  let bytes = samples.reduce((sum, sample) => sum + bytesOf(sample), 100);
  while (samples.length > 1 && bytes > Math.min(MOST_BYTES, valueBytes)) bytes -= bytesOf(samples.shift());
  return { samples };
}

function bytesOf(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).length + 1;
}
