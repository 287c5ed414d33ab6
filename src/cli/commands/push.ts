import type { Command } from "commander";
import { createJob, type Durability, JobferryError, type JobOptions } from "../../entry/index.ts";
import type { Cli } from "../cli.ts";
import { pushLines } from "../import/push-lines.ts";
import { parseJson, whenOf } from "../import/job-line.ts";
import { durability, DURABILITY_HELP, duration, integer, type Pair, pairs } from "../option-values.ts";

type PushOptions = Readonly<{
  queue?: string;
  delay?: string;
  priority?: number;
  attempts?: number;
  timeout?: number;
  tag?: readonly Pair[];
  id?: string;
  file?: string;
  resume?: boolean;
  restart?: boolean;
  source?: string;
  durability?: Durability;
}>;

const HELP = `
One job: jobferry push [name] [json]. What starts with { or [ is the payload and the name is "default".

Many jobs: --file jobs.ndjson, or - for stdin. A line is {"payload":…} and any of name, queue, id, delay, retryUntil,
priority, tags, headers, maxAttempts, maxLosses, maxExceptions, backoff, timeout. The options above hold for lines that
name none. A bad line ends the push after all lines before it are stored; --resume goes on exactly there.
`;

export function addPush(program: Command, cli: Cli): void {
  const command = program.command("push").argument("[name]", "the job's name").argument("[json]", "its payload");
  command.description("push one job, or many from a file or stdin (NDJSON)").addHelpText("after", HELP);
  command
    .option("--queue <name>", 'the queue (default: "default")')
    .option("--delay <duration|time>", "how long to wait, such as 5m, or a time such as 2030-01-31T08:00:00Z")
    .option("--priority <number>", "higher first", integer(-1_000_000_000, 1_000_000_000))
    .option(
      "--max-attempts, --attempts <count>",
      "failed attempts before the job goes to failed",
      integer(1, 1_000_000),
    )
    .option("--timeout <duration>", "how long one attempt may run", duration(1))
    .option("--tag <key=value>", "a tag; may be given several times", pairs)
    .option(
      "--id <id>",
      "unique in the whole store: pushing one that is still kept changes nothing, in whatever queue (RabbitMQ stores it again)",
    )
    .option("--durability <level>", DURABILITY_HELP, durability)
    .option("--file <path>", "push a job for each line of this file; - is stdin")
    .option("--resume", "with --file: leave out what an earlier push of it stored")
    .option("--restart", "with --file: push all lines again although an earlier push of it did not end")
    .option("--source <name>", "with --file: the name to resume under (default: the file's path; stdin has none)");
  command.action(async (name: string | undefined, json: string | undefined, options: PushOptions, self: Command) => {
    const defaults = jobOptions(options);
    if (options.file === undefined)
      await pushOne(cli, self, {
        name,
        json,
        options: { ...defaults, ...idOf(options) },
        durability: options.durability,
      });
    else await pushFile(cli, self, { name, json, options, defaults });
  });
}

function jobOptions({ queue, delay, priority, attempts, timeout, tag }: PushOptions): Omit<JobOptions, "id"> {
  return {
    ...(queue === undefined ? {} : { queue }),
    ...(delay === undefined ? {} : { delay: whenOf("delay", delay) }),
    ...(priority === undefined ? {} : { priority }),
    ...(attempts === undefined ? {} : { maxAttempts: attempts }),
    ...(timeout === undefined ? {} : { timeout }),
    ...(tag === undefined ? {} : { tags: Object.fromEntries(tag) }),
  };
}

function idOf({ id }: PushOptions): JobOptions {
  return id === undefined ? {} : { id };
}

type One = Readonly<{
  name: string | undefined;
  json: string | undefined;
  options: JobOptions;
  durability: Durability | undefined;
}>;

async function pushOne(cli: Cli, command: Command, { name, json, options, durability: wanted }: One): Promise<void> {
  for (const option of ["resume", "restart", "source"]) {
    if (command.getOptionValue(option) !== undefined) throw onlyWith(`--${option}`, "--file");
  }
  const isPayload = json === undefined && name !== undefined && /^\s*[[{]/.test(name);
  if (name === undefined) throw onlyWith("push", "a name, a JSON payload or --file");
  const payload = isPayload ? name : json;
  const job = createJob<unknown>(payload === undefined ? undefined : parsePayload(payload), {
    ...(isPayload ? {} : { name }),
    ...options,
  });
  await cli.withQueue(command, { make: true, durability: wanted }, async ({ queue }) => {
    const pushed = await queue.push(job);
    if (!queue.capabilities.shared)
      cli.terminal.warn("This queue lives in this process only: the job is gone with it.");
    cli.terminal.show({ id: pushed.id, name: pushed.name, queue: pushed.queue }, () => pushed.id);
  });
}

function parsePayload(json: string): unknown {
  try {
    return parseJson(json);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const hint = `A text needs quotes inside those of the shell: '"text"'.`;
    throw new JobferryError("INPUT_INVALID", `The payload is ${reason} ${hint}`);
  }
}

type Many = Readonly<{
  name: string | undefined;
  json: string | undefined;
  options: PushOptions;
  defaults: Omit<JobOptions, "id">;
}>;

async function pushFile(cli: Cli, command: Command, { name, json, options, defaults }: Many): Promise<void> {
  const { file = "-", resume = false, restart = false, source } = options;
  if (json !== undefined) throw new JobferryError("INVALID_ARGUMENT", "Give a payload or --file, not both.");
  if (options.id !== undefined)
    throw new JobferryError("INVALID_ARGUMENT", "--id is for one job; lines have an id of their own.");
  if (resume && restart) throw new JobferryError("INVALID_ARGUMENT", "Give --resume or --restart, not both.");
  await cli.withQueue(command, { make: true, durability: options.durability }, (connection) =>
    pushLines(cli, connection, {
      file,
      source,
      start: resume ? "resume" : restart ? "restart" : "fresh",
      defaults: { ...defaults, ...(name === undefined ? {} : { name }) },
    }),
  );
}

function onlyWith(what: string, needed: string): JobferryError {
  return new JobferryError("INVALID_ARGUMENT", `${what} needs ${needed}. See "jobferry push --help".`);
}
