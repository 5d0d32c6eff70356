import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { backupCommand, checkCommand, collectionsCommand, restoreCommand } from "./care-commands.ts";
import { completionCommand } from "./completion-command.ts";
import { demoCommand } from "./demo-command.ts";
import { ExitCode, exitCodeOf } from "./exit-code.ts";
import { exportCommand } from "./export-command.ts";
import { importCommand } from "./import-command.ts";
import { withMeantWord } from "./meant-words.ts";
import { messageOf } from "./message.ts";
import { painterOf } from "./print/colours.ts";
import { printableLines } from "./print/printable.ts";
import { say } from "./print/say.ts";
import { queryCommand } from "./query-command.ts";
import { serveCommand } from "./serve-command.ts";
import { topCommand } from "./top-command.ts";

/** Runs the command `formdb` with its arguments. Sets the exit code; never rejects. */
export async function run(args: readonly string[]): Promise<void> {
  process.on("uncaughtException", (error) => {
    if (!isUnread(error)) process.exit(endWith(error));
  });
  // What nobody can be told is no reason to stop.
  process.stderr.on("error", () => {});
  const program: Command = new Command("formdb")
    .description("FormDB Perf: documents in SQLite and PostgreSQL.")
    .version(version())
    .option("--no-color", "no colours, as NO_COLOR=1 in the environment")
    .on("option:no-color", () => {
      process.env.NO_COLOR = "1";
    })
    .helpCommand(true)
    .configureOutput({ outputError: (text, write) => write(withMeantWord(text, program)) })
    .showHelpAfterError("(--help shows what there is)");
  for (const command of [
    demoCommand(),
    importCommand(),
    exportCommand(),
    queryCommand(),
    serveCommand(),
    topCommand(),
    completionCommand(),
    collectionsCommand(),
    backupCommand(),
    restoreCommand(),
    checkCommand(),
  ]) {
    command.copyInheritedSettings(program).exitOverride();
    command.configureOutput({ outputError: (text, write) => write(withMeantWord(text, command)) });
    program.addCommand(command);
  }
  program.exitOverride();
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    process.exitCode = endWith(error);
  }
}

/** Whether standard output has been closed by who reads it, as `head` does. */
function isUnread(error: NodeJS.ErrnoException): boolean {
  return error.code === "EPIPE" && error.syscall === "write";
}

function endWith(error: unknown): number {
  // Commander has said what was wrong with the usage; help and version end here as well.
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.done : ExitCode.usage;
  say(process.stderr, `${painterOf(process.stderr)("red", "formdb:")} ${printableLines(messageOf(error))}`);
  if (process.env.FORMDB_DEBUG) console.error(error);
  return exitCodeOf(error);
}

function version(): string {
  const file = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(file) as { version: string }).version;
}
