import type { CoordinationEntry, CoordinationStore } from "../contract/index.ts";
import { checkJson, Emitter } from "../core/index.ts";
import { failureFrom, isJobferryError, JobferryError } from "../errors/index.ts";
import { Repetitions, settledWithin } from "../runtime/index.ts";
import { Board } from "./board.ts";
import { Bus } from "./bus.ts";
import type { ClusterEvents } from "./cluster-events.ts";
import type { ClusterInside, JobsBeside } from "./cluster-inside.ts";
import { checkClusterOptions, type ClusterOptions, type ClusterSettings } from "./cluster-options.ts";
import { Election, leaderOf, type ElectOptions, type Leader } from "./election.ts";
import type { Lock } from "./lock.ts";
import { Locks, type LockOptions } from "./locks.ts";
import { Members, nodesOf, type ClusterNode } from "./members.ts";
import { NodeSession } from "./node-session.ts";
import { StoreLink } from "./store-link.ts";
import type { SubscribeOptions, Subscription } from "./subscription.ts";
import type { Message } from "./topic.ts";

type Status = "new" | "running" | "stopped";

type Parts = Readonly<{
  settings: ClusterSettings;
  repetitions: Repetitions;
  link: StoreLink;
  node: NodeSession;
  locks: Locks;
  bus: Bus;
  members: Members;
}>;

/** Not public, as the next one. */
export let isCluster: (value: unknown) => value is Cluster;
/** What a DistributedQueue needs of its cluster. Not public. */
export let insideOf: (cluster: Cluster) => ClusterInside;

/**
 * One node of a cluster: election, locks, membership and broadcasts over any coordination store. Everything that it holds hangs on a session in
 * the store; `stop` ends it, and others take over at once.
 * @throws INVALID_ARGUMENT for options that are wrong, do not fit together, or go beyond what the store takes; PAYLOAD_INVALID, PAYLOAD_TOO_LARGE for `info`.
 */
export class Cluster extends Emitter<ClusterEvents> implements AsyncDisposable {
  readonly #store: CoordinationStore;
  readonly #jobs: JobsBeside | undefined;
  #options: ClusterOptions;
  #parts: Parts;
  readonly #watching = new AbortController();
  #followed: readonly Promise<void>[] = [];
  #line: ReadonlyMap<string, CoordinationEntry> = new Map();
  #leader: Leader | undefined;
  #election: Election | undefined;
  #status: Status = "new";
  #starting: Promise<this> | undefined;
  #stopping: Promise<void> | undefined;
  #joins = 0;

  /** `jobs`: the queue that lives in the cluster's own store, for a DistributedQueue that is given no other. */
  constructor(store: CoordinationStore, options: ClusterOptions, jobs?: JobsBeside) {
    super(["joined", "left", "leader", "lost", "rejoined", "error"]);
    this.#store = store;
    this.#options = options;
    this.#jobs = jobs;
    this.#parts = this.#assemble(options);
  }

  static {
    isCluster = (value): value is Cluster => typeof value === "object" && value !== null && #parts in value;
    insideOf = (cluster) => ({
      settings: cluster.#parts.settings,
      link: cluster.#parts.link,
      bus: cluster.#parts.bus,
      board: new Board(cluster.#parts.link, cluster.#parts.settings.keys),
      jobs: cluster.#jobs,
      isStarted: cluster.#starting !== undefined,
      isCandidate: cluster.#election !== undefined,
      adjust: (changes) => cluster.#adjust(changes),
    });
  }

  #adjust(changes: Partial<ClusterOptions>): void {
    const [name] = Object.keys(changes);
    if (name === undefined) return;
    if (this.#starting !== undefined || this.#stopping !== undefined) {
      throw new JobferryError(
        "INVALID_ARGUMENT",
        `${name} cannot change: the cluster was started already. Give it to the cluster, or start the cluster later.`,
      );
    }
    this.#options = { ...this.#options, ...changes };
    this.#parts = this.#assemble(this.#options);
  }

  #assemble(options: ClusterOptions): Parts {
    const settings = checkClusterOptions(this.#store, options);
    checkJson(options.info ?? null);
    const report = (error: unknown): void => this.#tellError(error);
    const link = new StoreLink(this.#store, settings.clock, report);
    const node = new NodeSession(link, settings, {
      joined: () => this.#joined(),
      lost: (reason) => this.#tell("lost", { reason }),
    });
    return {
      settings,
      repetitions: new Repetitions(settings.clock),
      link,
      node,
      locks: new Locks(link, settings, node),
      bus: new Bus(link, settings, report),
      members: new Members(settings.nodeId),
    };
  }

  get nodeId(): string {
    return this.#parts.settings.nodeId;
  }

  /** Whether this node has a session that counts now. */
  get isJoined(): boolean {
    return this.#parts.node.current !== undefined;
  }

  /** Whether this node leads now, by the clock. */
  get isLeader(): boolean {
    return this.#election?.isLeader === true;
  }

  /** As last seen; undefined while there is none. It may be outdated: only the leader's own `leadership` and its term decide. */
  get leader(): Leader | undefined {
    return this.#leader;
  }

  /**
   * Opens the store and joins; keeps the process alive until `stop`. When it fails nothing of this node is left in the store.
   * @throws NODE_ID_TAKEN, UNAVAILABLE, CLOSED, or what the store says.
   */
  start(): Promise<this> {
    if (this.#stopping !== undefined) return Promise.reject(this.#closed());
    this.#starting ??= this.#start();
    return this.#starting;
  }

  async #start(): Promise<this> {
    const { store } = this.#parts.link;
    try {
      await this.#parts.link.ask("Opening the store", () => store.open({ clock: this.#parts.settings.clock }));
      await this.#parts.node.start();
    } catch (error) {
      await store.close().catch(() => undefined);
      throw error;
    }
    this.#status = "running";
    const { keys } = this.#parts.settings;
    const { signal } = this.#watching;
    this.#followed = [
      this.#parts.link.follow(keys.nodes, signal, (state) => this.#sawNodes(state)),
      this.#parts.link.follow(keys.election, signal, (state) => this.#sawLine(state)),
    ];
    return this;
  }

  /** Gives everything up: others lead and lock at once. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const started = await this.#starting?.then(
      () => true,
      () => false,
    );
    this.#status = "stopped";
    if (started !== true) return;
    const reason = new JobferryError("SHUTDOWN", `The node ${JSON.stringify(this.nodeId)} leaves its cluster.`);
    this.#watching.abort();
    const leaving = this.#leave(reason);
    const { clock, electionMs } = this.#parts.settings;
    // A store that does not answer must not hold up the end of the process; after this time its sessions have ended by themselves.
    if (!(await settledWithin(clock, leaving, electionMs))) {
      const text = "The store did not confirm the leaving. Others take over when the session has ended.";
      this.#tellError(new JobferryError("UNAVAILABLE", text, { retryable: true }));
    }
    await this.#parts.link.store.close();
  }

  async #leave(reason: JobferryError): Promise<void> {
    const ended = await Promise.allSettled([
      // Its places go with the session; here only those who act on them are told first.
      this.#election?.end(reason, "with its session"),
      this.#parts.locks.stop(reason),
      this.#parts.node.stop(reason),
      this.#parts.bus.stop(reason),
      ...this.#followed,
    ]);
    for (const one of ended) if (one.status === "rejected") this.#parts.link.report(one.reason, "Leaving the cluster");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Makes this node a candidate. Resolves when it stands in the line; whether it leads, the election tells. */
  async elect(options: ElectOptions = {}): Promise<Election> {
    this.#check();
    if (this.#election !== undefined) {
      this.#election.listen(options);
      await this.#election.stand();
      return this.#election;
    }
    const { keys, nodeId } = this.#parts.settings;
    const election = new Election(this.#parts.link, this.#parts.node, nodeId, keys.election, (error) =>
      this.#tellError(error),
    );
    election.listen(options);
    this.#election = election;
    election.follow(this.#line);
    await election.stand();
    return election;
  }

  /** No candidate any more. Another `elect` begins at the end of the line. */
  async resign(): Promise<void> {
    const election = this.#election;
    this.#election = undefined;
    const reason = new JobferryError("SHUTDOWN", "The node resigned.");
    await this.#parts.link.ask("Resigning", async () => election?.end(reason, "at once"));
  }

  /**
   * Waits for a lock of the cluster, in the order of those who asked. `await using` releases it.
   * @throws LOCK_BUSY after `wait`, the signal's reason, INVALID_ARGUMENT for a name that the store cannot take.
   */
  async lock(name: string, options?: LockOptions): Promise<Lock> {
    this.#check();
    return this.#parts.locks.lock(name, options);
  }

  /** The living nodes, as the store has them now. */
  async nodes(): Promise<readonly ClusterNode[]> {
    this.#check();
    const { keys, nodeId } = this.#parts.settings;
    const { entries } = await this.#parts.link.ask("Listing the nodes", () => this.#parts.link.store.list(keys.nodes));
    return nodesOf(entries, nodeId);
  }

  /** What others see of this node's load: JSON. Told with the next heartbeat. @throws PAYLOAD_INVALID, PAYLOAD_TOO_LARGE. */
  setLoad(load: unknown): void {
    checkJson(load);
    this.#parts.node.setLoad(load);
  }

  /** Sends JSON to all who subscribed to the topic, this node included. Resolves to its number when the store keeps it. */
  async broadcast(topic: string, data: unknown): Promise<bigint> {
    this.#check();
    return this.#parts.bus.broadcast(topic, data);
  }

  /**
   * What is sent after this resolved reaches the handler, at least once while it is kept, and not twice in one subscription, but for a message that
   * reached the store once more after it was let go (docs/adr/0152): it has the same `id`.
   */
  async subscribe(
    topic: string,
    handler: (message: Message) => unknown,
    options?: SubscribeOptions,
  ): Promise<Subscription> {
    this.#check();
    return this.#parts.bus.subscribe(topic, handler, options);
  }

  #check(): void {
    if (this.#status === "running") return;
    if (this.#status === "stopped" || this.#stopping !== undefined) throw this.#closed();
    throw new JobferryError("NOT_OPEN", "The node has not joined its cluster. Await start() first.");
  }

  #closed(): JobferryError {
    return new JobferryError("CLOSED", "The node has left its cluster. Make another Cluster.");
  }

  #joined(): void {
    this.#joins += 1;
    if (this.#joins > 1) this.#tell("rejoined", { nodeId: this.nodeId });
  }

  #sawNodes(state: ReadonlyMap<string, CoordinationEntry>): void {
    const { joined, left } = this.#parts.members.next(state);
    for (const node of left) this.#tell("left", { node });
    for (const node of joined) this.#tell("joined", { node });
  }

  #sawLine(state: ReadonlyMap<string, CoordinationEntry>): void {
    this.#line = state;
    const leader = leaderOf(state);
    const isSame = leader?.term === this.#leader?.term;
    this.#leader = leader;
    this.#election?.follow(state);
    if (!isSame) this.#tell("leader", { leader });
  }

  #tell<K extends keyof ClusterEvents>(event: K, value: ClusterEvents[K]): void {
    this.emit(event, value, (error) => this.#tellError(error));
  }

  #tellError(thrown: unknown): void {
    const error = isJobferryError(thrown)
      ? thrown
      : new JobferryError("UNEXPECTED", `A listener or handler threw: ${failureFrom(thrown).message}`, {
          cause: thrown,
        });
    const { settings, repetitions } = this.#parts;
    const { logger } = settings;
    if (this.hears("error")) {
      return this.emit("error", { error }, (cause) =>
        logger.error({ err: cause }, "A listener of the event error threw. Its own error is not told to it again."),
      );
    }
    const message = repetitions.next(error.message);
    if (message !== undefined) logger.warn({ code: error.code, err: error, nodeId: this.nodeId }, message);
  }
}
