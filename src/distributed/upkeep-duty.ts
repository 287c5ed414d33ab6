import type { Cluster, ClusterEvents, Leader } from "../cluster/index.ts";
import type { Clock } from "../contract/index.ts";

/** Every so many times a node does it although another one leads: about every five minutes. */
const ANYWAY = 20;

/**
 * Who keeps the store in order (`maintain`): the leader, so that not every node does the same; each node again when it has seen no leader for
 * a while; and each one seldom in any case, because a leader may have a sound way to the cluster's store and a broken one to the jobs. Any
 * number at once is safe.
 */
export class UpkeepDuty {
  readonly #cluster: Cluster;
  readonly #clock: Clock;
  readonly #patienceMs: number;
  /** When this node saw the last leader go; undefined while there is one. */
  #leaderlessSince: number | undefined;
  #asked = 0;

  constructor(cluster: Cluster, clock: Clock, patienceMs: number) {
    this.#cluster = cluster;
    this.#clock = clock;
    this.#patienceMs = patienceMs;
  }

  start(): void {
    this.#saw(this.#cluster.leader);
    this.#cluster.on("leader", this.#onLeader);
  }

  stop(): void {
    this.#cluster.off("leader", this.#onLeader);
  }

  /** Asked each time when it could be done. */
  get isNeeded(): boolean {
    this.#asked += 1;
    if (this.#asked % ANYWAY === 0 || this.#cluster.isLeader) return true;
    // What was seen before the session was lost may be long over.
    if (!this.#cluster.isJoined) return true;
    return this.#leaderlessSince !== undefined && this.#clock.monotonic() - this.#leaderlessSince >= this.#patienceMs;
  }

  readonly #onLeader = ({ leader }: ClusterEvents["leader"]): void => this.#saw(leader);

  #saw(leader: Leader | undefined): void {
    this.#leaderlessSince = leader === undefined ? this.#clock.monotonic() : undefined;
  }
}
