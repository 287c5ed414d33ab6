import { type Command, Option } from "commander";
import type { Filter, JobState } from "../entry/index.ts";
import { duration, type Pair, pair } from "./option-values.ts";

export type FilterOptions = Readonly<{
  state?: JobState;
  queue?: string;
  name?: string;
  tag?: Pair;
  error?: string;
  olderThan?: number;
}>;

const STATES: readonly JobState[] = ["pending", "delayed", "reserved", "failed", "completed"];

/** Options of the commands that choose jobs; all of those given must hold. */
export function addFilterOptions(command: Command, which: Readonly<{ state: boolean }>): Command {
  if (which.state) command.addOption(new Option("--state <state>", "only jobs in this state").choices(STATES));
  return command
    .option("--queue <name>", "only jobs of this queue")
    .option("--name <name>", "only jobs of this name")
    .option("--tag <key=value>", "only jobs with this tag", pair)
    .option("--error <text>", "only jobs whose error code or message has this part, any case")
    .option(
      "--older-than <duration>",
      "only jobs that ended (others: were made) before so long, such as 7d",
      duration(),
    );
}

export function filterOf(options: FilterOptions, now: number): Filter {
  const { state, queue, name, tag, error, olderThan } = options;
  return {
    ...(state === undefined ? {} : { state }),
    ...(queue === undefined ? {} : { queue }),
    ...(name === undefined ? {} : { name }),
    ...(tag === undefined ? {} : { tag }),
    ...(error === undefined ? {} : { error }),
    ...(olderThan === undefined ? {} : { before: new Date(now - olderThan) }),
  };
}

/** Failed jobs as a whole: every backend can do that, also one that cannot look up single jobs. */
export function isWhole(filter: Filter): boolean {
  return Object.keys(filter).every((key) => key === "queue" || key === "state");
}

export function isNarrowed(filter: Filter): boolean {
  return Object.keys(filter).some((key) => key !== "state");
}
