import type { Command } from "commander";
import type { Cli } from "../cli.ts";
import { checkChoice, explainMissing, readIds } from "../job-ids.ts";
import { addFilterOptions, type FilterOptions, filterOf, isNarrowed } from "../record-filter.ts";
import { jobCount } from "../job-count.ts";

export function addRetry(program: Command, cli: Cli): void {
  const command = program.command("retry").argument("[ids...]", "failed jobs; - reads ids from stdin");
  command.description("put failed jobs back to pending, with a fresh count of attempts");
  addFilterOptions(command, { state: false }).option("--all", "every failed job");
  command.action(async (given: readonly string[], options: FilterOptions & { all?: boolean }, self: Command) => {
    const ids = await readIds(given, cli.terminal.stdin);
    const filter = filterOf(options, Date.now());
    checkChoice(ids, options.all === true, isNarrowed(filter), "retry");
    await cli.withQueue(self, {}, async ({ queue }) => {
      const retried = await queue.records.retry(ids.length > 0 ? ids : filter);
      cli.terminal.show({ retried }, () => `Put ${jobCount(retried)} back to pending`);
      await explainMissing(queue, ids, retried, "retry", "failed");
    });
  });
}
