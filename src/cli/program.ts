import { readFileSync } from "node:fs";
import { Command, CommanderError, Option } from "commander";
import { isJobferryError } from "../entry/index.ts";
import { type AddCommand, Cli, type GlobalOptions } from "./cli.ts";
import { CliError } from "./cli-error.ts";
import { addBench } from "./commands/bench.ts";
import { addClear } from "./commands/clear.ts";
import { addCluster } from "./commands/cluster.ts";
import { addCompletion } from "./commands/completion.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addFailed } from "./commands/failed.ts";
import { addFlush } from "./commands/flush.ts";
import { addForget } from "./commands/forget.ts";
import { addJobs } from "./commands/jobs.ts";
import { addMigrate } from "./commands/migrate.ts";
import { addPause } from "./commands/pause.ts";
import { addPush } from "./commands/push.ts";
import { addResume } from "./commands/resume.ts";
import { addRetry } from "./commands/retry.ts";
import { addStats } from "./commands/stats.ts";
import { addTop } from "./commands/top.ts";
import { addWork } from "./commands/work.ts";
import { EXIT, exitCodeOf } from "./exit-codes.ts";
import { integer } from "./option-values.ts";
import { holdsSecret, redactorFor } from "./redact.ts";
import { saidByOthers } from "./said-by-others.ts";
import { type Streams, Terminal } from "./terminal.ts";
import { usageHint } from "./usage-hints.ts";

const COMMANDS: readonly (readonly [group: string, commands: readonly AddCommand[]])[] = [
  ["Jobs:", [addPush, addWork, addJobs]],
  ["Failed jobs:", [addFailed, addRetry, addForget, addFlush]],
  ["Queues:", [addStats, addPause, addResume, addClear]],
  ["Clusters:", [addCluster]],
  ["Tools:", [addTop, addMigrate, addDoctor, addBench, addCompletion]],
];

const EXAMPLES = `
Examples:
  $ jobferry push email '{"to":"ann@example.org"}' --url sqlite:./jobs.db
  $ jobferry work --handlers ./handlers.ts --queue high:3,default:1
  $ jobferry failed --queue default --limit 20 --json

Exit codes, signals and every option: docs/guides/cli.md in the package.
`;

/** Runs one command line (without node and script) and resolves to the exit code. Never rejects. */
export async function runCli(args: readonly string[], streams: Streams): Promise<number> {
  const cli = new Cli(new Terminal(streams));
  cli.terminal.json = args.includes("--json");
  const program = buildProgram(cli);
  let named = program;
  const follow = (command: Command): void => {
    command.hook("preSubcommand", (_command, next) => void (named = next));
    for (const each of command.commands) follow(each);
  };
  follow(program);
  if (args.length === 0) {
    program.outputHelp();
    return EXIT.ok;
  }
  try {
    await program.parseAsync(args, { from: "user" });
    return cli.exitCode;
  } catch (error) {
    return report(cli.terminal, error, named);
  }
}

function buildProgram(cli: Cli): Command {
  const { terminal } = cli;
  const program = new Command("jobferry")
    .description("A job queue for Node.js: push jobs, run workers, look after queues.")
    .version(ownVersion(), "-V, --version")
    .addOption(new Option("--url <url>", "the queue, such as sqlite:./jobs.db").env("JOBFERRY_URL"))
    .addOption(
      new Option("--records <url>", "RabbitMQ: where failed jobs and long delays lie one by one").env(
        "JOBFERRY_RECORDS",
      ),
    )
    .addOption(
      new Option("--prefix <name>", "Redis, RabbitMQ, etcd, Consul: the prefix of the store's names").env(
        "JOBFERRY_PREFIX",
      ),
    )
    .addOption(
      new Option("--partitions <count>", "Redis: in how many parts the store was made")
        .env("JOBFERRY_PARTITIONS")
        .argParser(integer(1, 256)),
    )
    .option("--json", "data on stdout as JSON, errors on stderr too")
    .option("-y, --yes", "do not ask before what cannot be undone")
    .option("-q, --quiet", "no hints and no progress on stderr; warnings, errors and failed jobs stay")
    .option("--no-color", "no colours (also: NO_COLOR=1)")
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      // Only help that nobody asked for goes here; with --json it is told as an error in report().
      writeErr: (text) => void (terminal.json || terminal.stderr.write(terminal.redact(text))),
      outputError: () => undefined, // told in report()
    })
    .addHelpText("after", EXAMPLES)
    .hook("preAction", (root, command) => {
      applyGlobals(cli, cli.globals(command));
      for (const option of ["url", "records"] as const) {
        if (root.getOptionValueSource(option) === "cli")
          warnOfSecret(cli.terminal, option, cli.globals(command)[option]);
      }
    });
  for (const [group, commands] of COMMANDS) {
    program.commandsGroup(group);
    for (const add of commands) add(program, cli);
  }
  return program;
}

function applyGlobals({ terminal }: Cli, { url, records, json, quiet, color }: GlobalOptions): void {
  terminal.json = json === true;
  terminal.quiet = quiet === true;
  terminal.redact = redactorFor(url, records);
  if (!color) {
    process.env["NO_COLOR"] = "1";
    delete process.env["FORCE_COLOR"];
  }
}

function warnOfSecret(terminal: Terminal, option: "url" | "records", url = ""): void {
  if (!holdsSecret(url)) return;
  const instead = `JOBFERRY_${option.toUpperCase()}`;
  terminal.warn(`--${option} has a password in it, which every user of this machine can read. Use ${instead} instead.`);
}

/** Tells the error and which code the process ends with. `named` is the command that was given. */
function report(terminal: Terminal, error: unknown, named: Command): number {
  if (error instanceof CommanderError) return reportUsage(terminal, error, named);
  const message = error instanceof Error ? error.message : String(error);
  const others = saidByOthers(error);
  if (error instanceof CliError) terminal.error(error.code, message, error.details, others);
  else if (isJobferryError(error)) terminal.error(error.code, message, { retryable: error.retryable }, others);
  else terminal.error("UNEXPECTED", unexpected(error, message), {});
  return exitCodeOf(error);
}

function unexpected(error: unknown, message: string): string {
  return process.env["DEBUG"] === undefined || !(error instanceof Error) ? message : (error.stack ?? message);
}

/** Help and version come as errors too. */
function reportUsage(terminal: Terminal, error: CommanderError, named: Command): number {
  if (error.exitCode === 0) return EXIT.ok;
  const noCommand = error.code === "commander.help";
  if (noCommand && !terminal.json) return EXIT.usage; // the help is on stderr
  const message = noCommand ? "no command was given" : error.message.replace(/^error: /, "").replace(/\n/g, " ");
  const told = `${message.replace(/\.$/, "")}${usageHint(error, named)}`;
  terminal.error("INVALID_ARGUMENT", `${told}. See "${pathOf(named)} --help".`, {});
  return EXIT.usage;
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

function ownVersion(): string {
  const path = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(path, "utf8")) as Readonly<{ version: string }>).version;
}
