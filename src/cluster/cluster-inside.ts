import type { Queue } from "../core/index.ts";
import type { Board } from "./board.ts";
import type { Bus } from "./bus.ts";
import type { ClusterOptions, ClusterSettings } from "./cluster-options.ts";
import type { StoreLink } from "./store-link.ts";

/** `isShared`: others use the same queue, so nobody closes it. */
export type JobsBeside = () => Readonly<{ queue: Queue; isShared: boolean }>;

/** What a DistributedQueue needs of its cluster. Not public. */
export type ClusterInside = Readonly<{
  settings: ClusterSettings;
  board: Board;
  link: StoreLink;
  bus: Bus;
  jobs: JobsBeside | undefined;
  /** Whether the program, or another part, did it already: who did undoes it. */
  isStarted: boolean;
  isCandidate: boolean;
  /** @throws INVALID_ARGUMENT, also when the cluster was started already. */
  adjust(changes: Partial<ClusterOptions>): void;
}>;
