export type { StopOptions } from "./worker.ts";
export { Worker } from "./worker.ts";
export type { JobIn, StopReason, WorkerEvents } from "./worker-events.ts";
export type { WorkerOptions } from "./worker-options.ts";
export { PoolGuidance, queueOrder, type Queues } from "./queue-order.ts";
export { loadWork } from "./pool/load-work.ts";
export { POOL_OPTIONS, type PoolOptions } from "./pool/pool-options.ts";
export { type PoolStats, WorkerPool } from "./pool/worker-pool.ts";
