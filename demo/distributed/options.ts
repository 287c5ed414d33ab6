import { Command, InvalidArgumentError, Option } from "commander";
import { type Duration, parseDuration } from "jobferry";
import { CLUSTER_TYPES, type ClusterType } from "./environment.ts";

export type ShowOptions = Readonly<{ cluster: ClusterType; nodes: number; jobs: number; electionTimeout: string }>;

const JOBS_A_NODE = 500;

export function readOptions(argv: readonly string[]): ShowOptions {
  const command = new Command("npm run demo:distributed --")
    .description("Nodes share jobs; their leader is killed half-way, and nothing is lost.")
    .addOption(new Option("--cluster <store>", "where they meet").choices(CLUSTER_TYPES).default("sqlite"))
    .option("--nodes <number>", "how many nodes", wholeNumber(2, 20), 3)
    .option("--jobs <number>", `how many jobs (default: ${JOBS_A_NODE} a node)`, wholeNumber(1, 1_000_000))
    .option("--election-timeout <duration>", "how long a silent node stays a member", duration, "2s")
    .addHelpText(
      "after",
      "\nREDIS_ADDR, POSTGRES_URL, ETCD_ENDPOINTS, CONSUL_ADDRESS or ZOOKEEPER_SERVERS name a server that is there; without them one is started. Logins: deploy/README.md.",
    )
    .parse(argv);
  const { jobs, ...rest } = command.opts<Omit<ShowOptions, "jobs"> & Readonly<{ jobs?: number }>>();
  return { ...rest, jobs: jobs ?? JOBS_A_NODE * rest.nodes };
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (number >= min && number <= max) return number;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

function duration(text: string): string {
  try {
    parseDuration(text as Duration, "It", { min: 1 });
    return text;
  } catch {
    throw new InvalidArgumentError("It must be a duration such as 2s or 500ms.");
  }
}
