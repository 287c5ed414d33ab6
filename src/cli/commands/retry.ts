import type { Command } from "commander";
import { type Filter, JobferryError, type Queue } from "../../entry/index.ts";
import type { Cli } from "../cli.ts";
import { type Changed, changeIds, checkChoice, explainMissing, readIds } from "../job-ids.ts";
import { noteMissing } from "../missing-queues.ts";
import { integer } from "../option-values.ts";
import { addFilterOptions, type FilterOptions, filterOf, isNarrowed, isWhole } from "../record-filter.ts";
import { jobCount } from "../job-count.ts";
import { singleJobs } from "../single-jobs.ts";

type RetryOptions = FilterOptions & Readonly<{ all?: boolean; max?: number }>;

export function addRetry(program: Command, cli: Cli): void {
  const command = program.command("retry").argument("[ids...]", "failed jobs; - reads ids from stdin");
  command.description("put failed jobs back to pending, with a fresh count of attempts");
  addFilterOptions(command, { state: false })
    .option("--all", "every failed job")
    .option("--max <count>", "with --all or --queue alone: only so many, the oldest", integer(1));
  command.action(async (given: readonly string[], options: RetryOptions, self: Command) => {
    const ids = await readIds(given, cli.terminal.stdin);
    const filter = filterOf(options, Date.now());
    checkChoice(ids, options.all === true, isNarrowed(filter), "retry");
    const whole = ids.length === 0 && isWhole(filter);
    if (options.max !== undefined && !whole)
      throw new JobferryError("INVALID_ARGUMENT", "--max goes with --all or --queue, and with nothing else.");
    await cli.withQueue(self, {}, async ({ queue }) => {
      const retried = whole ? await retryWhole(queue, options) : await retrySingle(queue, ids, filter);
      cli.terminal.show({ retried: retried.done }, () => `Put ${jobCount(retried.done)} back to pending`);
      if (retried.done === 0 && options.queue !== undefined) await noteMissing(cli.terminal, queue, [options.queue]);
      await explainMissing(queue, ids, retried, "retry", "failed");
    });
  });
}

async function retryWhole(queue: Queue, { queue: name, max }: RetryOptions): Promise<Changed> {
  const named = name === undefined ? {} : { queue: name };
  return { done: await queue.retryFailed({ ...named, ...(max === undefined ? {} : { max }) }), left: [] };
}

async function retrySingle(queue: Queue, ids: readonly string[], filter: Filter): Promise<Changed> {
  const jobs = singleJobs(queue);
  if (ids.length > 0) return changeIds(ids, (some) => jobs.retry(some));
  return { done: await jobs.retry(filter), left: [] };
}
