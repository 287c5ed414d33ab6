import type { FinishItem } from "../contract/index.ts";

/** How an attempt ends that did not succeed. */
export type Verdict = Readonly<{
  item: FinishItem;
  /** What the event `failed` tells; undefined where no attempt failed. */
  error: Error | undefined;
  /** undefined where there is no next attempt. */
  retryInMs: number | undefined;
  /** No route has the job's name: told as `unknown`. */
  unknown?: boolean;
}>;
