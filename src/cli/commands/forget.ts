import type { Command } from "commander";
import type { Cli } from "../cli.ts";
import { confirm } from "../confirm.ts";
import { changeIds, checkChoice, explainMissing, readIds } from "../job-ids.ts";
import { jobCount } from "../job-count.ts";
import { singleJobs } from "../single-jobs.ts";

export function addForget(program: Command, cli: Cli): void {
  const command = program.command("forget").argument("<ids...>", "jobs to remove; - reads ids from stdin");
  command.description("remove single jobs in any state but reserved, for ever");
  command.action(async (given: readonly string[], _options: unknown, self: Command) => {
    const ids = await readIds(given, cli.terminal.stdin);
    checkChoice(ids, false, false, "forget");
    await cli.withQueue(self, {}, async ({ queue }) => {
      if (ids.length > 1) {
        await confirm(cli.terminal, `Removing ${jobCount(ids.length)}`, "forget", cli.globals(self).yes === true);
      }
      const jobs = singleJobs(queue);
      const removed = await changeIds(ids, (some) => jobs.remove(some));
      cli.terminal.show({ removed: removed.done }, () => `Removed ${jobCount(removed.done)}`);
      await explainMissing(queue, ids, removed, "remove");
    });
  });
}
