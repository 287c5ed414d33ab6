import type { Clock, CoordinationCapabilities, CoordinationStore, Logger } from "../contract/index.ts";
import { invalidArgument, JobferryError } from "../errors/index.ts";
import {
  checkClock,
  checkInteger,
  checkLogger,
  checkName,
  checkOptions,
  parseDuration,
  type Duration,
} from "../runtime/index.ts";
import { ClusterKeys } from "./keys.ts";

export type ClusterOptions = Readonly<{
  /** This node's name. Two living nodes of a cluster never share one. */
  nodeId: string;
  /** The cluster's name: several can share a store. Default "jobferry". */
  name?: string;
  /** How long a node may be silent before its leadership, locks and membership go to others. Default "10s", or the store's minimum when that is more. */
  electionTimeout?: Duration;
  /** The same for locks that do not say otherwise. Default: `electionTimeout`. */
  lockTimeout?: Duration;
  /** How often a node shows that it lives. Below a third of both time-outs. Default: a fifth of the shorter one. */
  heartbeatInterval?: Duration;
  /** How long `start` waits for an earlier node of the same id to end, e.g. after a crash. Default: until its session must have ended. */
  joinTimeout?: Duration;
  /** How long a message is kept for subscribers that are away. Default "1m". */
  keepMessages?: Duration;
  /** How many messages of a topic are kept at most. Default 1,000. */
  maxMessages?: number;
  /** What others see of this node: JSON. With the node's load it must fit into one value of the store (Consul 320,000 bytes, ZooKeeper 800,000, the others 1 MiB). */
  info?: unknown;
  clock?: Clock;
  logger?: Logger;
}>;

export const CLUSTER_OPTIONS: readonly string[] = [
  ...["nodeId", "name", "electionTimeout", "lockTimeout", "heartbeatInterval", "joinTimeout"],
  ...["keepMessages", "maxMessages", "info", "clock", "logger"],
];

export type ClusterSettings = Readonly<{
  nodeId: string;
  keys: ClusterKeys;
  electionMs: number;
  lockMs: number;
  heartbeatMs: number;
  joinMs: number;
  keepMs: number;
  maxMessages: number;
  info: unknown;
  clock: Clock;
  logger: Logger;
}>;

const DEFAULT_TIMEOUT_MS = 10_000;

/** @throws INVALID_ARGUMENT for what is wrong in itself, does not fit together, or goes beyond what the store takes. */
export function checkClusterOptions(store: CoordinationStore, options: ClusterOptions): ClusterSettings {
  checkOptions("Cluster", options, CLUSTER_OPTIONS);
  const { capabilities } = store;
  const keys = new ClusterKeys(checkName("name", options.name ?? "jobferry"), capabilities.limits.keyBytes);
  const nodeId = checkName("nodeId", options.nodeId);
  keys.node(nodeId);
  const fallback = Math.max(DEFAULT_TIMEOUT_MS, capabilities.session.minTtlMs);
  const electionMs = checkTimeout(store, "electionTimeout", options.electionTimeout ?? fallback);
  const lockMs = checkTimeout(store, "lockTimeout", options.lockTimeout ?? electionMs);
  const shortest = Math.min(electionMs, lockMs);
  const heartbeatMs = parseDuration(options.heartbeatInterval ?? shortest / 5, "heartbeatInterval", { min: 1 });
  if (heartbeatMs >= shortest / 3) {
    throw new JobferryError(
      "INVALID_ARGUMENT",
      `heartbeatInterval is ${heartbeatMs} ms; it must be below a third of the shorter time-out (${shortest} ms), so that two may fail.`,
    );
  }
  return {
    nodeId,
    keys,
    electionMs,
    lockMs,
    heartbeatMs,
    joinMs: parseDuration(options.joinTimeout ?? latestEndMs(capabilities, electionMs), "joinTimeout"),
    keepMs: parseDuration(options.keepMessages ?? "1m", "keepMessages", { min: 1 }),
    maxMessages: checkInteger("maxMessages", options.maxMessages ?? 1_000, 1, 100_000),
    info: options.info,
    clock: checkClock(options.clock),
    logger: checkLogger(options.logger),
  };
}

/** @throws INVALID_ARGUMENT naming the store's limits. */
export function checkTimeout(store: CoordinationStore, field: string, value: Duration): number {
  const { minTtlMs, maxTtlMs } = store.capabilities.session;
  const ms = parseDuration(value, field, { min: 1 });
  if (ms < minTtlMs || ms > maxTtlMs) {
    throw invalidArgument(field, value, `from ${minTtlMs} to ${maxTtlMs} ms, which the store (${store.name}) takes`);
  }
  return ms;
}

/** When a session that nobody renews has ended for certain. */
function latestEndMs({ session, watch }: CoordinationCapabilities, ttlMs: number): number {
  return ttlMs * session.endFactor + session.endLagMs + watch.lagMs;
}
