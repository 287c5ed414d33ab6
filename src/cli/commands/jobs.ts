import type { Command } from "commander";
import type { Filter, JobRecord, Queue } from "../../entry/index.ts";
import type { Cli } from "../cli.ts";
import { CliError } from "../cli-error.ts";
import { EXIT } from "../exit-codes.ts";
import { noteMissing } from "../missing-queues.ts";
import { integer } from "../option-values.ts";
import { addFilterOptions, type FilterOptions, filterOf } from "../record-filter.ts";
import { singleJobs } from "../single-jobs.ts";
import { recordJson, recordsTable, recordText } from "../record-view.ts";

const RESTING = "Only jobs that rest beside the broker are listed: failed ones, and delays that are too long for it.";

export type PageOptions = Readonly<{ limit: number; cursor?: string }>;

export function addJobs(program: Command, cli: Cli): void {
  const command = program.command("jobs").argument("[id]", "show all of this job");
  command.description("list jobs, oldest first, or show one");
  addPageOptions(addFilterOptions(command, { state: true }));
  command.action(async (id: string | undefined, options: FilterOptions & PageOptions, self: Command) => {
    await cli.withQueue(self, {}, async ({ queue }) => {
      if (id === undefined) await listJobs(cli, queue, filterOf(options, Date.now()), options, recordsTable);
      else await showJob(cli, queue, id);
    });
  });
}

export function addPageOptions(command: Command): Command {
  return command
    .option("--limit <count>", "jobs a page, 1 to 1000", integer(1, 1_000), 50)
    .option("--cursor <cursor>", "the page after the one that named this cursor");
}

export async function listJobs(
  cli: Cli,
  queue: Queue,
  filter: Filter,
  { limit, cursor }: PageOptions,
  asTable: (jobs: readonly JobRecord[], now: number) => string,
): Promise<void> {
  const page = await singleJobs(queue).list(filter, { limit, cursor });
  const now = Date.now();
  cli.terminal.show(page.jobs.map(recordJson), () => asTable(page.jobs, now), page.cursor);
  if (queue.capabilities.records === "resting") cli.terminal.note(RESTING);
  if (!cli.terminal.json && page.jobs.length === 0) cli.terminal.note("No job matches.");
  if (page.jobs.length === 0 && filter.queue !== undefined) await noteMissing(cli.terminal, queue, [filter.queue]);
  if (!cli.terminal.json && page.cursor !== undefined) cli.terminal.note(`More with --cursor ${page.cursor}`);
}

/** @throws CliError NOT_FOUND */
export async function showJob(cli: Cli, queue: Queue, id: string): Promise<void> {
  const job = await singleJobs(queue).get(id);
  if (job === undefined) {
    throw new CliError("NOT_FOUND", EXIT.notFound, `There is no job "${id}". Completed jobs are kept only when asked.`);
  }
  cli.terminal.show(recordJson(job), () => recordText(job));
}
