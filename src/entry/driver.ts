/** For authors of drivers: the contract, the errors and the few functions that our own drivers use. */
export type * from "../contract/index.ts";
export { failureFrom, isJobferryError, JobferryError, LeaseLostError, UnsupportedError } from "../errors/index.ts";
export { checkName, checkOptions, sleep, systemClock } from "../runtime/index.ts";
