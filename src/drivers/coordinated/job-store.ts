import type { Clock, CoordinationStore, DriverContext, StoredJob } from "../../contract/index.ts";
import type { Kept } from "../shared/retention.ts";
import type { Delays } from "./delays.ts";
import type { Keys } from "./keys.ts";
import type { LearntRoom } from "./learnt-room.ts";
import type { Life, LifeTiming } from "./life.ts";
import type { Owners } from "./owners.ts";
import type { QueueStates } from "./queue-states.ts";
import type { Shelves } from "./shelves.ts";
import type { StuckJobs } from "./stuck-jobs.ts";

/** What every operation works with. */
export type JobStore = Readonly<{
  store: CoordinationStore;
  keys: Keys;
  clock: Clock;
  room: LearntRoom;
  stuck: StuckJobs;
  retention: DriverContext["retention"];
  keeps: Kept;
  timing: LifeTiming;
  shelves: Shelves;
  states: QueueStates;
  owners: Owners;
  delays: Delays;
  /** This process's session; another one when the last was lost. */
  life: () => Promise<Life>;
  /** The same, when it has one that lives. */
  current: () => Life | undefined;
  /** The store failed these by itself. */
  died: (jobs: readonly StoredJob[]) => void;
  /** So many jobs became ready. */
  woke: (queue: string, jobs: number) => void;
}>;
