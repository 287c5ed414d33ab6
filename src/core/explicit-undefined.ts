import { JobferryError } from "../errors/index.ts";
import { checkName } from "../runtime/index.ts";

// Where leaving something out means all jobs, `undefined` is no way to leave it out: it is mostly a variable that nobody has set, and would empty a store.

/** The queue that a call was given, if any. @throws INVALID_ARGUMENT */
export function queueGiven(call: string, args: readonly [queue?: string]): string | undefined {
  if (args.length === 0) return undefined;
  if (args[0] === undefined) throw undefinedMember(`The queue of ${call}()`, "all queues");
  return checkName("queue", args[0]);
}

/** @throws INVALID_ARGUMENT naming the member */
export function refuseUndefined(owner: string, members: object): void {
  const found = Object.entries(members).find(([, value]) => value === undefined);
  if (found !== undefined) throw undefinedMember(`${owner}.${found[0]}`, "all");
}

function undefinedMember(what: string, all: string): JobferryError {
  return new JobferryError("INVALID_ARGUMENT", `${what} is undefined. Leave it out to mean ${all}.`);
}
