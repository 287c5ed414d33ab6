import type { JobferryError } from "../errors/index.ts";
import type { Leader } from "./election.ts";
import type { ClusterNode } from "./members.ts";

export type ClusterEvents = {
  /** Seen in the store; this node too. */
  joined: Readonly<{ node: ClusterNode }>;
  left: Readonly<{ node: ClusterNode }>;
  /** Another one leads; undefined while there is none. */
  leader: Readonly<{ leader: Leader | undefined }>;
  /** This node lost its session, and its locks and leadership with it. It joins again by itself. */
  lost: Readonly<{ reason: JobferryError }>;
  rejoined: Readonly<{ nodeId: string }>;
  error: Readonly<{ error: JobferryError }>;
};
