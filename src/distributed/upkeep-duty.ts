import type { Cluster } from "../cluster/index.ts";
import type { Clock } from "../contract/index.ts";

/**
 * Who keeps the store in order (`maintain`): the leader, so that not every node does the same; and each node again when it has seen no leader for
 * a while. Any number at once is safe.
 */
export class UpkeepDuty {
  readonly #cluster: Cluster;
  readonly #clock: Clock;
  readonly #patienceMs: number;
  /** When this node saw the last leader go; undefined while there is one. */
  #leaderlessSince: number | undefined;

  constructor(cluster: Cluster, clock: Clock, patienceMs: number) {
    this.#cluster = cluster;
    this.#clock = clock;
    this.#patienceMs = patienceMs;
  }

  start(): void {
    this.#leaderlessSince = this.#cluster.leader === undefined ? this.#clock.monotonic() : undefined;
    this.#cluster.on("leader", ({ leader }) => {
      this.#leaderlessSince = leader === undefined ? this.#clock.monotonic() : undefined;
    });
  }

  get isNeeded(): boolean {
    if (this.#cluster.isLeader) return true;
    // What was seen before the session was lost may be long over.
    if (!this.#cluster.isJoined) return true;
    return this.#leaderlessSince !== undefined && this.#clock.monotonic() - this.#leaderlessSince >= this.#patienceMs;
  }
}
