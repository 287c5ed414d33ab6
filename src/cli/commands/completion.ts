import { Argument, type Command } from "commander";
import type { Cli } from "../cli.ts";
import { completionScript, type Shell, SHELLS } from "../completion/scripts.ts";

export function addCompletion(program: Command, cli: Cli): void {
  program
    .command("completion")
    .addArgument(new Argument("<shell>").choices(SHELLS))
    .description("print the script that completes commands and options in a shell")
    .action((shell: Shell) => {
      const script = completionScript(program, shell);
      cli.terminal.show({ shell, script }, () => script);
    });
}
