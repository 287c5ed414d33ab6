import type { FinishItem } from "../contract/index.ts";

/** How an attempt ends that did not succeed. `error` is undefined where no event tells of a failure, `retryInMs` where there is no next attempt. */
export type Verdict = Readonly<{ item: FinishItem; error: Error | undefined; retryInMs: number | undefined }>;
