import type { Command } from "commander";
import type { Cli } from "../cli.ts";
import { changePaused } from "../pausing.ts";

export function addResume(program: Command, cli: Cli): void {
  program
    .command("resume")
    .argument("[queue]", "the queue")
    .option("--all", "every queue that exists now")
    .description("let workers take jobs again from a paused queue")
    .action((name: string | undefined, options: Readonly<{ all?: boolean }>, command: Command) =>
      changePaused(cli, command, { name, all: options.all === true, paused: false }),
    );
}
