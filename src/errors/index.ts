export { errorFrom, failureFrom } from "./failure.ts";
export { describeValue, invalidArgument } from "./invalid-argument.ts";
export { isJobferryError, JobferryError, LeaseLostError, UnsupportedError } from "./jobferry-error.ts";
export type { ErrorOptions } from "./jobferry-error.ts";
export { isPermanent, PermanentError } from "./permanent-error.ts";
