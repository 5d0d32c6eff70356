/** Comments and white space, strings, quoted names, dollar-quoted strings, places of values, words, numbers; else a character. */
const TOKEN =
  /(--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|\s+)|([eE]'(?:[^'\\]|\\[\s\S]|'')*'?|'(?:[^']|'')*'?|\$((?:[A-Za-z_]\w*)?)\$[\s\S]*?(?:\$\3\$|$))|"(?:[^"]|"")*"?|[?$]\d+|[\p{L}_][\p{L}\p{N}_$]*|(\d[\w.]*)|[\s\S]/gu;

/**
 * What texts of an engine's own SQL have in common if they differ in their literals, comments and white space only:
 * each literal is a `?`. It names a statement in metrics and logs, which so hold no value of it. It is not meant to be run.
 */
export function sqlShape(text: string): string {
  return text
    .replaceAll(TOKEN, (token, blank?: string, literal?: string, _tag?: string, number?: string) => {
      if (blank !== undefined) return " ";
      return literal !== undefined || number !== undefined ? "?" : token;
    })
    .replaceAll(/ {2,}/g, " ")
    .replace(/[ ;]+$/, "")
    .trimStart();
}

/** Whether a statement of this shape begins or ends a transaction. */
export function endsTransaction(shape: string): boolean {
  if (/^ROLLBACK(?: (?:WORK|TRANSACTION))? TO\b/i.test(shape)) return false;
  return /^(?:BEGIN|START TRANSACTION|COMMIT|END|ROLLBACK|ABORT|PREPARE TRANSACTION)\b/i.test(shape);
}

/** Whether a statement of this shape sets, releases or goes back to a savepoint. */
export function isSavepoint(shape: string): boolean {
  return /^(?:SAVEPOINT|RELEASE|ROLLBACK)\b/i.test(shape) && !endsTransaction(shape);
}

/** Whether a statement of this shape gives the columns of another one, which may be a different one each time: a cursor's. */
export function givesOthersColumns(shape: string): boolean {
  return /^(?:FETCH|EXECUTE)\b/i.test(shape);
}
