export type * from "./capabilities.ts";
export type * from "./clock.ts";
export type * from "./coordination.ts";
export type * from "./driver.ts";
export type * from "./error-codes.ts";
export type * from "./job.ts";
export type * from "./logger.ts";
export type * from "./records.ts";
