import { Argument, Command, type Option } from "commander";

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

/** What can be completed: the commands, with the options of each and the words that an option takes. */
interface Completions {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly {
    readonly flag: string;
    readonly summary: string;
    readonly words: readonly string[];
  }[];
}

/** Prints a script for a shell, made from the commands as they are. */
export function completionCommand(): Command {
  const command: Command = new Command("completion")
    .summary("print a script that completes commands and options in a shell")
    .description(
      "Prints a script for the shell. bash: source <(formdb completion bash). zsh: source <(formdb completion zsh), after " +
        "compinit. fish: formdb completion fish > ~/.config/fish/completions/formdb.fish.",
    )
    .addArgument(new Argument("<shell>", "the shell").choices(SHELLS))
    .action((shell: Shell) => {
      const commands = command.parent!.commands.map(completionsOf);
      process.stdout.write(SCRIPTS[shell](commands));
    });
  return command;
}

function completionsOf(command: Command): Completions {
  const all = [...command.options, ...(command.parent?.options ?? [])].filter(
    (option) => option.long !== "--version",
  );
  return {
    name: command.name(),
    summary: command.summary(),
    options: all.map((option: Option) => ({
      flag: option.long!,
      summary: option.description.split(/[;:.(]/)[0]!.trim(),
      words: option.argChoices ?? [],
    })),
  };
}

const SCRIPTS: Readonly<Record<Shell, (commands: readonly Completions[]) => string>> = {
  bash: bashScript,
  zsh: (commands) => `#compdef formdb\nautoload -U +X bashcompinit && bashcompinit\n${bashScript(commands)}`,
  fish: fishScript,
};

/** Options where one begins with `-`, else an option's words, else files. */
function bashScript(commands: readonly Completions[]): string {
  const names = commands.map(({ name }) => name).join(" ");
  const words = commands.flatMap(({ name, options }) =>
    options
      .filter((option) => option.words.length > 0)
      .map(({ flag, words: choices }) => `    ${name}:${flag}) words='${choices.join(" ")}' ;;`),
  );
  const flags = commands.map(
    ({ name, options }) => `      ${name}) words='${options.map(({ flag }) => flag).join(" ")} --help' ;;`,
  );
  return [
    "_formdb() {",
    '  local at=$COMP_CWORD words=""',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: they are the shell's
    '  local current="${COMP_WORDS[at]}" before="${COMP_WORDS[at-1]}" command="${COMP_WORDS[1]}"',
    "  COMPREPLY=()",
    '  if [ "$COMP_CWORD" -eq 1 ]; then',
    `    COMPREPLY=($(compgen -W '${names} --help --version' -- "$current"))`,
    "    return",
    "  fi",
    '  case "$command:$before" in',
    ...words,
    `    completion:completion) words='${SHELLS.join(" ")}' ;;`,
    "  esac",
    '  if [ -z "$words" ] && [[ "$current" == -* ]]; then',
    '    case "$command" in',
    ...flags,
    "    esac",
    "  fi",
    '  [ -n "$words" ] && COMPREPLY=($(compgen -W "$words" -- "$current"))',
    "}",
    "complete -o default -F _formdb formdb",
    "",
  ].join("\n");
}

function fishScript(commands: readonly Completions[]): string {
  const quoted = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const lines = commands.flatMap(({ name, summary, options }) => [
    `complete -c formdb -n __fish_use_subcommand -f -a ${name} -d ${quoted(summary)}`,
    ...options.map(({ flag, summary: what, words }) => {
      const choices = words.length === 0 ? "" : ` -x -a ${quoted(words.join(" "))}`;
      return `complete -c formdb -n '__fish_seen_subcommand_from ${name}' -l ${flag.slice(2)}${choices} -d ${quoted(what)}`;
    }),
  ]);
  return `${lines.join("\n")}\ncomplete -c formdb -n '__fish_seen_subcommand_from completion' -f -a ${quoted(SHELLS.join(" "))}\n`;
}
