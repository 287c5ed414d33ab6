import type { Command } from "commander";
import type { Cli } from "../cli.ts";
import { addFilterOptions, type FilterOptions, filterOf } from "../record-filter.ts";
import { failedTable } from "../record-view.ts";
import { addPageOptions, listJobs, type PageOptions, showJob } from "./jobs.ts";

export function addFailed(program: Command, cli: Cli): void {
  const command = program.command("failed").argument("[id]", "show all of this job, its stack too");
  command.description("list failed jobs, oldest first, or show one");
  addPageOptions(addFilterOptions(command, { state: false }));
  command.action(async (id: string | undefined, options: FilterOptions & PageOptions, self: Command) => {
    await cli.withQueue(self, {}, async ({ queue }) => {
      const filter = { ...filterOf(options, Date.now()), state: "failed" as const };
      if (id === undefined) await listJobs(cli, queue, filter, options, failedTable);
      else await showJob(cli, queue, id);
    });
  });
}
