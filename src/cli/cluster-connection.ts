import { hostname } from "node:os";
import type { Command } from "commander";
import { ClusterObserver, createCluster, JobferryError } from "../entry/index.ts";
import type { Cli, GlobalOptions } from "./cli.ts";
import { at, checkExists, checkScheme, DEFAULT_URL, loggerOn } from "./connection.ts";

type ClusterFlags = Readonly<{ clusterName: string }>;

/** Options of queues. In the environment they are there for all commands; who writes one here expects something of it. */
function refuseUseless(command: Command): void {
  const written = ["records", "partitions"].find((name) => command.getOptionValueSourceWithGlobals(name) === "cli");
  if (written === undefined) return;
  throw new JobferryError(
    "INVALID_ARGUMENT",
    `--${written} is an option of queues and means nothing to a cluster. Leave it out.`,
  );
}

/** Looks at the cluster that `--url`, else JOBFERRY_URL, else the default names, without joining it. */
export async function withCluster(
  cli: Cli,
  command: Command,
  use: (observer: ClusterObserver) => Promise<void>,
): Promise<void> {
  const { url, clusterName: name, prefix } = command.optsWithGlobals<GlobalOptions & ClusterFlags>();
  refuseUseless(command);
  checkScheme(url, "--url (or JOBFERRY_URL)");
  const target = url ?? DEFAULT_URL;
  if (url === undefined) cli.terminal.note(`Using ${DEFAULT_URL}: neither --url nor JOBFERRY_URL is set.`);
  if (/^memory:/i.test(target))
    throw new JobferryError("INVALID_ARGUMENT", "A cluster in memory is inside one process: nobody else can see it.");
  const node = { nodeId: `cli-${hostname()}-${process.pid}`, name, logger: loggerOn(cli.terminal) };
  await at(target, cli.terminal, async () => {
    const cluster = await createCluster(target, { ...node, ...(prefix === undefined ? {} : { prefix }) });
    checkExists(target, "--url (or JOBFERRY_URL)");
    await using observer = await ClusterObserver.open(cluster);
    await use(observer);
  });
}
