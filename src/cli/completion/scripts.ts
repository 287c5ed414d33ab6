import type { Command, Option } from "commander";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** A script that completes commands and options, and files everywhere else. Made from the program itself, so it cannot lag behind. */
export function completionScript(program: Command, shell: Shell): string {
  const commands = program.commands.filter((command) => command.name() !== "help");
  switch (shell) {
    case "bash":
      return bash(program, commands);
    case "zsh":
      return zsh(program, commands);
    case "fish":
      return fish(program, commands);
  }
}

function flags(command: Command): readonly string[] {
  return command.options.flatMap(longNames);
}

/** Commander takes the first of two long names for the short one. */
function longNames({ short, long }: Option): readonly string[] {
  return [short, long].flatMap((name) => (name?.startsWith("--") === true ? [name] : []));
}

function flagsWithin(program: Command, command: Command): string {
  const own = [command, ...command.commands].flatMap(flags);
  return [...new Set([...own, ...flags(program), "--help"])].join(" ");
}

function bash(program: Command, commands: readonly Command[]): string {
  const names = commands.map((command) => command.name());
  const cases = commands.map((command) => `    ${command.name()}) words="${flagsWithin(program, command)}" ;;`);
  return `# jobferry completion bash: put it in a file that your .bashrc sources.
_jobferry() {
  local current="\${COMP_WORDS[COMP_CWORD]}" word found="" words="${names.join(" ")} ${flags(program).join(" ")} --help"
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in ${names.join("|")}) found="$word"; break ;; esac
  done
  case "$found" in
${cases.join("\n")}
  esac
  if [[ -z "$found" || "$current" == -* ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  else
    COMPREPLY=()
  fi
}
complete -o default -F _jobferry jobferry
`;
}

function zsh(program: Command, commands: readonly Command[]): string {
  const described = commands.map((command) => quoted(`${command.name()}:${command.description()}`));
  const cases = commands.map((command) => `      ${command.name()}) compadd -- ${flagsWithin(program, command)} ;;`);
  return `#compdef jobferry
# jobferry completion zsh > a file named _jobferry in a directory of your fpath.
_jobferry() {
  local -a commands=(${described.join(" ")})
  if (( CURRENT == 2 )); then
    _describe command commands
  elif [[ "$PREFIX" == -* ]]; then
    case "$words[2]" in
${cases.join("\n")}
    esac
  else
    _files
  fi
}
if [[ "$funcstack[1]" == "_jobferry" ]]; then
  _jobferry "$@"
else
  compdef _jobferry jobferry
fi
`;
}

function fish(program: Command, commands: readonly Command[]): string {
  const option = (condition: string, one: Option): string => {
    const names = [
      ...longNames(one).map((name) => `-l ${name.slice(2)}`),
      ...(one.short?.length === 2 ? [`-s ${one.short[1]}`] : []),
    ];
    return `complete -c jobferry${condition} ${names.join(" ")} -d ${quoted(one.description)}`;
  };
  const lines = commands.flatMap((command) => [
    `complete -c jobferry -n __fish_use_subcommand -f -a ${command.name()} -d ${quoted(command.description())}`,
    ...command.options.map((one) => option(` -n '__fish_seen_subcommand_from ${command.name()}'`, one)),
  ]);
  return `# jobferry completion fish > ~/.config/fish/completions/jobferry.fish
${[...program.options.map((one) => option("", one)), ...lines].join("\n")}
`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "").replaceAll("\\", "")}'`;
}
