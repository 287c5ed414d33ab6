import { availableParallelism } from "node:os";
import { insideOf, isCluster, type Cluster, type ClusterOptions } from "../cluster/index.ts";
import type { Job, Queue, Work } from "../core/index.ts";
import { invalidArgument, JobferryError } from "../errors/index.ts";
import { checkInteger, checkOptions, type Duration, parseDuration } from "../runtime/index.ts";
import { POOL_OPTIONS, type PoolOptions, type Queues, type WorkerEvents } from "../worker/index.ts";
import type { Strategy } from "./slot-plan.ts";

export type DistributedQueueOptions = Readonly<{
  /** This node's place among the others. Started here unless it was before. */
  cluster: Cluster;
  /** What runs the jobs: one function, routes, or a module of handlers with `isolation` "threads" or "processes". */
  handler: Work | URL;
  /** Must be the cluster's when both are given. */
  nodeId?: string;
  /** Times of the cluster, for one that was not started yet; see ClusterOptions. */
  electionTimeout?: Duration;
  lockTimeout?: Duration;
  heartbeatInterval?: Duration;
  /** Whether this node stands for election. Default true. */
  enableLeaderElection?: boolean;
  /**
   * Whether the leader plans how many slots of which queue each node runs, and nodes ask their queues in its order. Default true. false: this
   * node's own order of `queues` holds always, a strict one too.
   */
  enableJobDistribution?: boolean;
  /** How the plan divides slots. Default "auto". */
  strategy?: Strategy;
  /** How many workers this node has. Default: as many as the machine runs in parallel. */
  workerCount?: number;
  /** How many jobs this node runs at once: the same for each worker, so a multiple of `workerCount`, else rounded down to one. Default: `workerCount`. */
  maxConcurrency?: number;
  /** Where the jobs are. It stays yours: close it after `stop()`, or the process does not end. Default: the cluster's own store. */
  queue?: Queue;
  /** Which queues this node serves. Their order or weights hold while there is no plan; weights count in the plan, too. Default "default". */
  queues?: Queues;
  /** How often the leader takes a sample for `getMetrics`. Default "30s". */
  metricsInterval?: Duration;
  isolation?: "inline" | "threads" | "processes";
  /** Everything else of the pool. */
  worker?: Omit<PoolOptions, "workers" | "concurrency" | "onCompleted" | "onFailed">;
  onCompleted?: (event: WorkerEvents<Job>["completed"]) => unknown;
  onFailed?: (event: WorkerEvents<Job>["failed"]) => unknown;
}>;

const KNOWN = [
  ...["cluster", "handler", "nodeId", "electionTimeout", "lockTimeout", "heartbeatInterval"],
  ...["enableLeaderElection", "enableJobDistribution", "strategy", "workerCount", "maxConcurrency"],
  ...["queue", "queues", "metricsInterval", "isolation", "worker", "onCompleted", "onFailed"],
];
/** Options of the pool that the node has itself, by the names that it has for them. */
const OWN: ReadonlyMap<string, string> = new Map([
  ["workers", "workerCount"],
  ["concurrency", "maxConcurrency"],
  ["isolation", "isolation"],
  ["onCompleted", "onCompleted"],
  ["onFailed", "onFailed"],
]);
const STRATEGIES: readonly Strategy[] = ["balanced", "weighted", "auto"];

export type DistributedSettings = Readonly<{
  leads: boolean;
  distributes: boolean;
  strategy: Strategy;
  workers: number;
  concurrency: number;
  queues: Queues;
  names: readonly string[];
  weights: ReadonlyMap<string, number>;
  metricsMs: number;
}>;

/** @throws INVALID_ARGUMENT naming the option. */
export function checkDistributedOptions(options: DistributedQueueOptions): DistributedSettings {
  checkOptions("DistributedQueue", options ?? null, KNOWN);
  if (!isCluster(options.cluster))
    throw invalidArgument(
      "cluster",
      options.cluster,
      "a Cluster: the answer of createCluster, awaited, or of a store's own, as sqliteCluster",
    );
  if (options.handler === undefined || options.handler === null)
    throw invalidArgument("handler", options.handler, "a function, an object of routes, or the file: URL of a module");
  checkWorker(options.worker);
  const { enableLeaderElection = true, enableJobDistribution = true, strategy = "auto", queues = "default" } = options;
  for (const [name, value] of Object.entries({ enableLeaderElection, enableJobDistribution })) {
    if (typeof value !== "boolean") throw invalidArgument(name, value, "true or false");
  }
  if (!STRATEGIES.includes(strategy)) throw invalidArgument("strategy", strategy, STRATEGIES.join(", "));
  const workers = checkInteger("workerCount", options.workerCount ?? availableParallelism(), 1, 1_000);
  const most = checkInteger("maxConcurrency", options.maxConcurrency ?? workers, 1, 100_000);
  if (most < workers) {
    throw new JobferryError(
      "INVALID_ARGUMENT",
      `maxConcurrency is ${most}, below workerCount ${workers}: some workers could never run a job. Make one of them fit.`,
    );
  }
  const weights = weightsOf(queues);
  return {
    leads: enableLeaderElection,
    distributes: enableJobDistribution,
    strategy,
    workers,
    concurrency: Math.floor(most / workers),
    queues,
    names: [...weights.keys()],
    weights,
    metricsMs: parseDuration(options.metricsInterval ?? "30s", "metricsInterval", { min: 1_000 }),
  };
}

function checkWorker(worker: DistributedQueueOptions["worker"]): void {
  checkOptions("DistributedQueue.worker", worker, POOL_OPTIONS);
  for (const name of Object.keys(worker ?? {})) {
    const own = OWN.get(name);
    if (own === undefined) continue;
    throw new JobferryError(
      "INVALID_ARGUMENT",
      `DistributedQueue.worker takes no ${name}: the node has the option ${own} for it, beside worker.`,
    );
  }
}

/** Of what is no list of queues the pool says so. */
function weightsOf(queues: Queues): ReadonlyMap<string, number> {
  if (typeof queues === "string") return new Map([[queues, 1]]);
  if (Array.isArray(queues)) return new Map((queues as readonly string[]).map((name) => [name, 1]));
  return new Map(Object.entries(Object(queues) as Readonly<Record<string, number>>));
}

/** Gives the cluster the times that were given here. @throws INVALID_ARGUMENT when they do not fit, or it was started already. */
export function adjustCluster(options: DistributedQueueOptions): void {
  const { cluster, nodeId, electionTimeout, lockTimeout, heartbeatInterval } = options;
  if (nodeId !== undefined && nodeId !== cluster.nodeId)
    throw invalidArgument("nodeId", nodeId, `that of the cluster, ${JSON.stringify(cluster.nodeId)}`);
  const changes: Partial<ClusterOptions> = {
    ...(electionTimeout === undefined ? {} : { electionTimeout }),
    ...(lockTimeout === undefined ? {} : { lockTimeout }),
    ...(heartbeatInterval === undefined ? {} : { heartbeatInterval }),
  };
  insideOf(cluster).adjust(changes);
}
