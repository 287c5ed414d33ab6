import type { Command } from "commander";
import type { Cli } from "../cli.ts";
import { confirm } from "../confirm.ts";
import { addFilterOptions, type FilterOptions, filterOf, isNarrowed } from "../record-filter.ts";
import { jobCount } from "../job-count.ts";

export function addFlush(program: Command, cli: Cli): void {
  const command = program.command("flush").description("remove failed jobs for ever, all or those chosen");
  addFilterOptions(command, { state: false });
  command.action(async (options: FilterOptions, self: Command) => {
    await cli.withQueue(self, {}, async ({ queue }) => {
      const filter = { ...filterOf(options, Date.now()), state: "failed" as const };
      const of = options.queue === undefined ? "" : ` of queue "${options.queue}"`;
      const which = isNarrowed(filter) ? "the chosen failed jobs" : "all failed jobs";
      await confirm(cli.terminal, `Removing ${which}${of}`, options.queue ?? "all", cli.globals(self).yes === true);
      const removed = await queue.records.remove(filter);
      cli.terminal.show({ removed }, () => `Removed ${jobCount(removed)}`);
    });
  });
}
