import type { Command } from "commander";
import type { Cli } from "../cli.ts";
import { confirm } from "../confirm.ts";
import { noteMissing } from "../missing-queues.ts";
import { addFilterOptions, type FilterOptions, filterOf, isWhole } from "../record-filter.ts";
import { jobCount } from "../job-count.ts";
import { singleJobs } from "../single-jobs.ts";

export function addFlush(program: Command, cli: Cli): void {
  const command = program.command("flush").description("remove failed jobs for ever, all or those chosen");
  addFilterOptions(command, { state: false });
  command.action(async (options: FilterOptions, self: Command) => {
    await cli.withQueue(self, {}, async ({ queue }) => {
      const filter = { ...filterOf(options, Date.now()), state: "failed" as const };
      const chosen = isWhole(filter) ? undefined : singleJobs(queue);
      const { queue: name } = options;
      const of = name === undefined ? "" : ` of queue "${name}"`;
      const which = chosen === undefined ? "all failed jobs" : "the chosen failed jobs";
      await confirm(cli.terminal, `Removing ${which}${of}`, name ?? "all", cli.globals(self).yes === true);
      const removed = await (chosen?.remove(filter) ??
        (name === undefined ? queue.flushFailed() : queue.flushFailed(name)));
      cli.terminal.show({ removed }, () => `Removed ${jobCount(removed)}`);
      if (removed === 0 && name !== undefined) await noteMissing(cli.terminal, queue, [name]);
    });
  });
}
