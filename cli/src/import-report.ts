import { FormDBError } from "@formdb/perf";
import { OLD_ID_FIELD } from "./document-id.ts";
import { ExitCode, exitCodeOf } from "./exit-code.ts";
import { type ImportOutcome, rejectLine } from "./import-run.ts";
import { messageOf } from "./message.ts";
import { grouped, percent, perSecond, seconds } from "./numbers.ts";
import { printable } from "./print/printable.ts";
import { say } from "./print/say.ts";
import type { CsvNotes } from "./read/csv-documents.ts";
import type { Input } from "./read/input.ts";
import type { Reject } from "./rejects-file.ts";

/** All that is told of an import when it has ended. */
export interface ImportReport {
  readonly outcome: ImportOutcome;
  readonly collection: string;
  readonly input: Input;
  /** The first rejects. */
  readonly shown: readonly Reject[];
  readonly rejectsFile: string | undefined;
  readonly newIds: boolean;
  readonly notes: CsvNotes;
  /** The exit code for a signal that ended the import. */
  readonly interrupted: number | undefined;
}

/** Tells how an import ended, the result on standard output and the rest on standard error; gives the exit code. */
export function reportImport(report: ImportReport): number {
  tell([...rejectLines(report), ...noteLines(report)]);
  say(process.stdout, outcomeLines(report).join("\n"));
  tell(endLines(report));
  const { outcome, interrupted } = report;
  if (outcome.failure !== undefined) return exitCodeOf(outcome.failure);
  return interrupted ?? (outcome.rejected > 0 ? ExitCode.doneWithRejects : ExitCode.done);
}

function tell(lines: readonly string[]): void {
  if (lines.length > 0) say(process.stderr, lines.join("\n"));
}

function rejectLines({ shown, outcome, rejectsFile, newIds }: ImportReport): string[] {
  const { rejected, reasons } = outcome;
  if (rejected === 0) return [];
  const lines = shown.map(rejectLine);
  const more = rejected - shown.length;
  if (more > 0) lines.push(`and ${grouped(more)} more`);
  for (const [code, { count, line }] of reasons) {
    const first = line === undefined ? "" : `, the first on line ${line}`;
    lines.push(`${grouped(count)} × ${code}${first}`);
    const hint = newIds ? undefined : HINTS[code];
    if (hint !== undefined) lines.push(`  ${hint}`);
  }
  if (rejectsFile === undefined) lines.push("--rejects FILE writes all of them with their reasons");
  else if (pathOf(outcome.failure) !== rejectsFile) lines.push(`all of them are in ${rejectsFile}`);
  return lines;
}

/** The file that an error is about, if it is about one. */
function pathOf(failure: unknown): unknown {
  return failure instanceof FormDBError ? failure.path : undefined;
}

/** What helps when many documents are rejected for one reason. */
const HINTS: Readonly<Record<string, string>> = {
  FORMDB_DUPLICATE_ID: `is "id" no key here, or does another import of it run? --id-field F takes another field, --new-ids makes new ids and keeps the field as ${OLD_ID_FIELD}`,
  FORMDB_INVALID_ID: `--id-field F takes another field, --new-ids makes new ids and keeps the field "id" as ${OLD_ID_FIELD}`,
};

function noteLines({ notes, outcome, input, interrupted }: ImportReport): string[] {
  const lines: string[] = [];
  for (const [name, { type, cells, firstLine, example }] of notes.drifts) {
    lines.push(
      printable(
        `column ${name} holds ${type}s, but ${grouped(cells)} of its cells (the first on line ${firstLine}: ` +
          `${shortened(example)}) could only be stored as strings`,
      ),
      printable(`  --type ${name}=string makes the whole column strings`),
    );
  }
  if (notes.headerData.length > 0) {
    lines.push(
      printable(`the header's cells look like data: ${notes.headerData.map(shortened).join(", ")}`),
      "  if the file has no header, --columns NAME,NAME,… names its columns",
    );
  }
  const { imported, unchanged, rejected, failure } = outcome;
  const isWhole = failure === undefined && interrupted === undefined;
  if (imported + unchanged + rejected === 0 && isWhole && input.bytesRead() > 0) {
    lines.push(
      printable(
        `no document was found in the ${grouped(input.bytesRead())} bytes of ${input.name}, read as ${input.format}`,
      ),
    );
  }
  return lines;
}

function shortened(cell: string): string {
  return cell.length > 30 ? `${cell.slice(0, 29)}…` : cell;
}

function outcomeLines({ outcome, collection, input, newIds }: ImportReport): string[] {
  const { imported, unchanged, rejected, elapsedMs, madeIds } = outcome;
  const lines = [
    `${collection}: ${grouped(imported)} imported, ${grouped(unchanged)} already there, ${grouped(rejected)} rejected ` +
      `in ${seconds(elapsedMs)} (${perSecond(imported + unchanged + rejected, elapsedMs)} documents/s)`,
  ];
  if (madeIds > 0) {
    const from = input.source === "-" ? "the standard input" : input.source;
    const which = newIds
      ? `${grouped(madeIds)} got new ids (a field "id" of theirs is now ${OLD_ID_FIELD})`
      : `${grouped(madeIds)} without an id got one`;
    lines.push(printable(`${which}, made from ${from}, their place in it and their content`));
  }
  return lines;
}

function endLines({ outcome, interrupted, input }: ImportReport): string[] {
  const { failure, imported, unchanged, rejected } = outcome;
  if (failure === undefined && interrupted === undefined) return [];
  const size = input.sizeBytes;
  const share = size === undefined || size === 0 ? "" : ` (${percent(input.bytesRead(), size)})`;
  const readSoFar = `${grouped(input.bytesRead())} bytes${share} of ${input.name} were read`;
  const end =
    failure === undefined
      ? `formdb: interrupted; ${readSoFar}`
      : `formdb: the import stopped early: ${printable(reasonOf(failure))}; ${readSoFar}`;
  // What stopped before the first document would stop there again.
  if (interrupted === undefined && imported + unchanged + rejected === 0) return [end];
  return [end, "What is counted above is stored; the same command again goes on and stores nothing twice."];
}

/** What the database said: the library's own words around it are for programs. */
function reasonOf(failure: unknown): string {
  const isStopped = failure instanceof FormDBError && "imported" in failure && failure.cause instanceof Error;
  return messageOf(isStopped ? failure.cause : failure);
}
