import type { Command } from "commander";
import type { Cli } from "../cli.ts";
import { changePaused } from "../pausing.ts";

export function addPause(program: Command, cli: Cli): void {
  program
    .command("pause")
    .argument("[queue]", "the queue")
    .option("--all", "every queue that exists now")
    .description("stop new reservations by anyone, until resume; running jobs go on")
    .action((name: string | undefined, options: Readonly<{ all?: boolean }>, command: Command) =>
      changePaused(cli, command, { name, all: options.all === true, paused: true }),
    );
}
