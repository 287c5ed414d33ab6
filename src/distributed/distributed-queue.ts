import { insideOf, type Cluster, type ClusterNode, type Election, type Leadership } from "../cluster/index.ts";
import type { Job, NewJob, PushOptions, Queue } from "../core/index.ts";
import { JobferryError } from "../errors/index.ts";
import { settledWithin } from "../runtime/index.ts";
import {
  PoolGuidance,
  type PoolStats,
  queueOrder,
  type StopOptions,
  type WorkerEvents,
  WorkerPool,
} from "../worker/index.ts";
import {
  adjustCluster,
  checkDistributedOptions,
  type DistributedQueueOptions,
  type DistributedSettings,
} from "./distributed-options.ts";
import { LeaderDuty } from "./leader-duty.ts";
import { Metrics } from "./metrics.ts";
import type { MetricsSample } from "./metrics-sample.ts";
import { loadOf } from "./node-load.ts";
import { Planner, PLAN } from "./planner.ts";
import { readPlan } from "./plan-record.ts";
import { QueuePreference } from "./queue-preference.ts";
import { UpkeepDuty } from "./upkeep-duty.ts";

export type DistributedStats = Readonly<{
  nodeId: string;
  isLeader: boolean;
  /** Nodes that this one has seen since it started, those that left included. */
  totalNodes: number;
  onlineNodes: number;
  /** undefined while there is no leader. */
  leaderId: string | undefined;
  workers: PoolStats;
  /** This node's slots by queue, by the plan that counts now; undefined without one. */
  plannedSlots: Readonly<Record<string, number>> | undefined;
}>;

type Listeners = {
  completed?: (event: WorkerEvents<Job>["completed"]) => unknown;
  failed?: (event: WorkerEvents<Job>["failed"]) => unknown;
};

/** Remembered for `totalNodes`. */
const MOST_SEEN = 10_000;

/**
 * One node that runs jobs together with others: a queue, a pool of workers, and a place in the cluster. Jobs lie in the shared store, so any
 * node takes over what another leaves, without a leader too; the leader only balances.
 * @throws INVALID_ARGUMENT naming the option.
 */
export class DistributedQueue implements AsyncDisposable {
  readonly #cluster: Cluster;
  readonly #settings: DistributedSettings;
  readonly #queue: Queue;
  readonly #ownsQueue: boolean;
  readonly #pool: WorkerPool;
  readonly #preference: QueuePreference;
  readonly #metrics: Metrics;
  readonly #duties: readonly LeaderDuty[];
  readonly #upkeep: UpkeepDuty;
  readonly #following = new AbortController();
  readonly #seen = new Set<string>();
  #followed: Promise<void> = Promise.resolve();
  readonly #listeners: Listeners = {};
  #ownsCluster = false;
  #election: Election | undefined;
  /** The program itself made the node a candidate before: then it stays one. */
  #wasCandidate = false;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: DistributedQueueOptions) {
    this.#settings = checkDistributedOptions(options);
    adjustCluster(options);
    this.#cluster = options.cluster;
    const { settings, jobs, board } = insideOf(this.#cluster);
    const { clock, heartbeatMs, electionMs } = settings;
    const beside = options.queue === undefined ? jobs?.() : { queue: options.queue, isShared: true };
    if (beside === undefined) {
      throw new JobferryError(
        "INVALID_ARGUMENT",
        "queue is missing: this cluster's store keeps no jobs. Hand a queue in.",
      );
    }
    this.#queue = beside.queue;
    this.#ownsQueue = !beside.isShared;
    const { names, queues } = this.#settings;
    this.#preference = new QueuePreference(this.#cluster.nodeId, names, queueOrder(queues, clock), clock);
    this.#upkeep = new UpkeepDuty(this.#cluster, clock, 2 * electionMs);
    this.#pool = this.#makePool(options);
    if (options.onCompleted !== undefined) this.setOnCompleted(options.onCompleted);
    if (options.onFailed !== undefined) this.setOnFailed(options.onFailed);
    const parts = { cluster: this.#cluster, board, queue: this.#queue, clock };
    this.#metrics = new Metrics({ ...parts, everyMs: this.#settings.metricsMs });
    this.#duties = this.#makeDuties(
      new Planner({ ...parts, strategy: this.#settings.strategy, validForMs: 6 * heartbeatMs }),
    );
  }

  get nodeId(): string {
    return this.#cluster.nodeId;
  }

  get queue(): Queue {
    return this.#queue;
  }

  /** Joins the cluster, stands for election, and runs jobs. When it fails nothing of this node is left. */
  start(): Promise<void> {
    if (this.#stopping !== undefined)
      return Promise.reject(new JobferryError("CLOSED", "This node was stopped. Make another DistributedQueue."));
    this.#starting ??= this.#start();
    return this.#starting;
  }

  async #start(): Promise<void> {
    const { isStarted, isCandidate } = insideOf(this.#cluster);
    this.#ownsCluster = !isStarted;
    this.#wasCandidate = isCandidate;
    try {
      await this.#cluster.start();
      this.#upkeep.start();
      this.#cluster.on("joined", this.#onJoined);
      const { workers, concurrency, distributes, leads, weights } = this.#settings;
      this.#cluster.setLoad(loadOf(workers * concurrency, weights));
      if (distributes) this.#followed = this.#followPlan();
      if (leads) this.#election = await this.#cluster.elect({ onElected: this.#onElected, onDeposed: this.#onDeposed });
      await this.#pool.start();
    } catch (error) {
      await this.#leave(this.#resign());
      throw error;
    }
  }

  /**
   * Gives leadership away at once, then lets running jobs end (see WorkerPool.stop) and leaves the cluster. Jobs that wait stay in the store
   * for others. Idempotent.
   */
  stop(options: StopOptions = {}): Promise<void> {
    this.#stopping ??= this.#stop(options);
    return this.#stopping;
  }

  async #stop(options: StopOptions): Promise<void> {
    if (this.#starting === undefined) return this.#closeQueue(); // it only pushed
    const isStarted = await this.#starting.then(
      () => true,
      () => false,
    );
    if (!isStarted) return;
    const resigned = this.#resign();
    await this.#pool.stop(options);
    await this.#leave(resigned);
  }

  /** A cluster that cannot be reached forgets this node by itself; running jobs matter more. */
  async #resign(): Promise<void> {
    const election = this.#election;
    if (election === undefined) return;
    this.#election = undefined;
    const { logger } = insideOf(this.#cluster).settings;
    try {
      if (!this.#wasCandidate) await this.#cluster.resign();
    } catch (error) {
      logger.warn({ err: error }, "Giving leadership away failed.");
    }
    election.off("elected", this.#onElected).off("deposed", this.#onDeposed);
    await this.#onDeposed();
  }

  /** A store that does not answer holds it up for one time-out: then this node has left by itself. */
  async #leave(resigned: Promise<void>): Promise<void> {
    this.#following.abort();
    this.#upkeep.stop();
    this.#cluster.off("joined", this.#onJoined);
    const { clock, electionMs } = insideOf(this.#cluster).settings;
    await settledWithin(clock, Promise.all([resigned, this.#followed]), electionMs);
    if (this.#ownsCluster) await this.#cluster.stop();
    await this.#closeQueue();
  }

  async #closeQueue(): Promise<void> {
    if (this.#ownsQueue) await this.#queue.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  push(job: NewJob, options?: PushOptions): Promise<Job> {
    return this.#queue.push(job, options);
  }

  getWorkerPool(): WorkerPool {
    return this.#pool;
  }

  getClusterNodes(): Promise<readonly ClusterNode[]> {
    return this.#cluster.nodes();
  }

  async getDistributedStats(): Promise<DistributedStats> {
    const nodes = await this.#cluster.nodes();
    for (const node of nodes) this.#saw(node);
    const { leader } = this.#cluster;
    const slots = this.#preference.plan?.slots.get(this.nodeId);
    return {
      nodeId: this.nodeId,
      isLeader: this.#cluster.isLeader,
      totalNodes: this.#seen.size,
      onlineNodes: nodes.length,
      leaderId: leader?.nodeId,
      workers: this.#pool.getStats(),
      plannedSlots: slots === undefined ? undefined : Object.fromEntries(slots),
    };
  }

  /** What the leaders of the last hour or so wrote down about the queues, oldest first. @throws NOT_OPEN before `start`. */
  async getMetrics(): Promise<readonly MetricsSample[]> {
    if (this.#stopping !== undefined) throw new JobferryError("CLOSED", "This node was stopped.");
    if (this.#starting === undefined)
      throw new JobferryError("NOT_OPEN", "The node has not joined its cluster. Await start() first.");
    await this.#starting;
    return this.#metrics.read();
  }

  /** Takes the place of the one that was set before. More of them: `getWorkerPool().on("completed", …)`. */
  setOnCompleted(listener: (event: WorkerEvents<Job>["completed"]) => unknown): this {
    this.#set("completed", listener);
    return this;
  }

  /** Heard for every attempt that failed. Takes the place of the one that was set before. */
  setOnFailed(listener: (event: WorkerEvents<Job>["failed"]) => unknown): this {
    this.#set("failed", listener);
    return this;
  }

  #set<K extends keyof Listeners>(event: K, listener: NonNullable<Listeners[K]>): void {
    const before = this.#listeners[event];
    if (before === listener) return;
    this.#pool.on(event, listener as never);
    if (before !== undefined) this.#pool.off(event, before as never);
    this.#listeners[event] = listener;
  }

  #makePool({ handler, isolation = "inline", worker }: DistributedQueueOptions): WorkerPool {
    const { workers, concurrency, queues, distributes } = this.#settings;
    const { clock } = insideOf(this.#cluster).settings;
    const order = distributes ? this.#preference.order : queueOrder(queues, clock);
    const guidance = new PoolGuidance(order, () => this.#upkeep.isNeeded);
    const options = { ...worker, workers, concurrency };
    if (isolation === "inline")
      return new WorkerPool(this.#queue, guidance, handler as never, { ...options, isolation });
    return new WorkerPool(this.#queue, guidance, handler as URL, { ...options, isolation });
  }

  #makeDuties(planner: Planner): readonly LeaderDuty[] {
    const { distributes, metricsMs } = this.#settings;
    const { clock, logger, heartbeatMs } = insideOf(this.#cluster).settings;
    const plan = new LeaderDuty({
      ...{ clock, logger, everyMs: 2 * heartbeatMs },
      failure: "The plan of slots could not be made; until it can be, nodes work by their own options.",
      run: (leadership) => planner.plan(leadership),
    });
    const metrics = new LeaderDuty({
      ...{ clock, logger, everyMs: metricsMs },
      failure: "The sample for the metrics could not be taken.",
      run: (leadership) => this.#metrics.snapshot(leadership),
    });
    return distributes ? [plan, metrics] : [metrics];
  }

  readonly #onElected = (leadership: Leadership): void => {
    for (const duty of this.#duties) duty.lead(leadership);
  };

  readonly #onDeposed = async (): Promise<void> => {
    await Promise.all(this.#duties.map((duty) => duty.rest()));
  };

  readonly #onJoined = ({ node }: Readonly<{ node: ClusterNode }>): void => this.#saw(node);

  #followPlan(): Promise<void> {
    return insideOf(this.#cluster).board.follow(PLAN, this.#following.signal, (value) => {
      const plan = readPlan(value);
      if (plan !== undefined) this.#preference.take(plan);
    });
  }

  #saw({ id }: ClusterNode): void {
    if (this.#seen.size < MOST_SEEN) this.#seen.add(id);
  }
}
