import type { Command } from "commander";
import { JobferryError } from "../../entry/index.ts";
import type { Cli } from "../cli.ts";
import { confirm } from "../confirm.ts";
import { checkQueue } from "./stats.ts";
import { jobCount } from "../job-count.ts";

export function addClear(program: Command, cli: Cli): void {
  program
    .command("clear")
    .argument("[queue]", "the queue")
    .option("--all", "every queue")
    .description("remove the jobs that wait (pending and delayed); reserved and failed ones stay")
    .action(async (name: string | undefined, options: Readonly<{ all?: boolean }>, command: Command) => {
      if ((name === undefined) !== (options.all === true)) {
        throw new JobferryError("INVALID_ARGUMENT", "Name the queue to clear, or give --all instead.");
      }
      await cli.withQueue(command, {}, async ({ queue }) => {
        if (name !== undefined) await checkQueue(queue, name);
        const waiting = await queue.size(name);
        const what = `Removing ${jobCount(waiting)} that wait in ${name === undefined ? "all queues" : `queue "${name}"`}`;
        await confirm(cli.terminal, what, name ?? "all", cli.globals(command).yes === true);
        const removed = await (name === undefined ? queue.clear() : queue.clear(name));
        cli.terminal.show(
          { queue: name ?? null, removed: removed ?? null },
          () => `Removed ${removed === undefined ? "the waiting jobs" : jobCount(removed)}`,
        );
      });
    });
}
