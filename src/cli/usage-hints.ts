import type { Command, CommanderError } from "commander";

/** A list that one reads at a glance; the help has longer ones, in groups. */
const FEW = 8;

/** What there is, where commander found nothing that is written alike. */
export function usageHint(error: CommanderError, command: Command): string {
  return commandHint(error, command) || optionHint(error, command);
}

function commandHint({ code, message }: CommanderError, command: Command): string {
  const names = command.createHelp().visibleCommands(command);
  const known = names.map((each) => each.name()).filter((name) => name !== "help");
  if (code !== "commander.unknownCommand" || message.includes("Did you mean") || known.length > FEW) return "";
  return `; there are ${known.join(", ")}`;
}

/** Which options there are, where commander found none that is written alike: `--store-url` is `--url`. */
function optionHint(error: CommanderError, command: Command): string {
  const flag = /^error: unknown option '(.*)'$/s.exec(error.message)?.[1];
  if (flag === undefined) return "";
  const help = command.createHelp();
  const own = longNames(help.visibleOptions(command).filter(({ long }) => long !== "--help"));
  const known = [...own, ...longNames(help.visibleGlobalOptions(command))];
  const wanted = wordsOf(flag);
  const meant = known.find((name) => wordsOf(name).some((word) => wanted.includes(word)));
  if (meant !== undefined) return ` (Did you mean ${meant}?)`;
  return own.length === 0 ? "" : `; there are ${own.join(", ")}`;
}

function longNames(options: readonly Readonly<{ long?: string | undefined }>[]): readonly string[] {
  return options.flatMap(({ long }) => long ?? []);
}

/** `--maxAttempts` as in a program, too. */
function wordsOf(flag: string): readonly string[] {
  const words = flag
    .replace(/=.*$/s, "")
    .replace(/([a-z])([A-Z])/g, "$1-$2")
    .toLowerCase()
    .split("-");
  return words.filter((word) => word.length > 2 && word !== "max");
}
