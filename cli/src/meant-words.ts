import type { Command } from "commander";

/** What other tools call our options and commands. */
const MEANT: Readonly<Record<string, readonly string[]>> = {
  "--into": ["--collection", "--table", "-c"],
  "--db": ["--database", "--url", "--connection", "-d"],
  "--overwrite": ["--force", "-f", "--replace"],
  "--out": ["--output", "--file", "-o"],
  "--format": ["--json", "--csv", "--ndjson"],
  "--param": ["--parameter", "--arg", "-p"],
  "--version": ["-v", "version"],
  collections: ["list", "ls", "tables"],
  query: ["select", "sql", "find", "update", "delete", "create", "drop", "index", "shell", "repl", "console"],
  export: ["dump"],
  import: ["load", "insert"],
  backup: ["copy"],
  check: ["verify"],
  serve: ["server", "start"],
  top: ["stats", "status", "watch", "monitor", "info"],
};

/** Commander's complaint of an option or a command that is not known, with what the word most likely means. */
export function withMeantWord(complaint: string, command: Command): string {
  const word = /^error: unknown (?:option|command) '([^'=]+)/.exec(complaint)?.[1];
  if (word === undefined) return complaint;
  const known = [
    ...command.options.flatMap(({ long }) => (long == null ? [] : [long])),
    ...command.commands.map((sub) => sub.name()),
  ];
  const meant = Object.entries(MEANT).filter(([, words]) => words.includes(word));
  if (meant.length === 0) return complaint;
  // A name that is only spelled alike is not what a known word means.
  const first = complaint.slice(0, complaint.indexOf("\n") + 1);
  const names = meant.map(([name]) => name).filter((name) => known.includes(name));
  return names.length === 0 ? first : `${first}(Did you mean ${names.join(" or ")}?)\n`;
}
