import { type ErrorCode, type FailureOutcome, FormDBError, messageOf } from "../../base/errors.ts";
import { logicalIndexName } from "../../dialect/postgres/names.ts";
import { arithmeticRefusal } from "../arithmetic-refusal.ts";
import { uniqueViolation } from "../unique-violation.ts";
import { ruleOf } from "./sqlstates.ts";

/** What was on its way when an error came. */
export type Flight =
  /** Nothing at all. */
  | "nothing"
  /** Nothing that changes data. */
  | "read"
  /** A statement that commits by itself. */
  | "autocommit"
  /** A statement of an open transaction, which ends with its connection. */
  | "in-transaction"
  | "commit";

/** The fields of a server's error message, as `pg` gives them. */
interface ServerError extends Error {
  readonly code?: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly constraint?: string;
  readonly table?: string;
  readonly routine?: string;
}

/** What a server says beside its answer, with the fields of an error. */
export interface Warning {
  readonly message: string;
  readonly code?: string;
}

/** The five characters by which a server names its error; undefined where it is no server's. */
export function sqlstateOf(error: unknown): string | undefined {
  const code = (error as ServerError | null)?.code;
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) && "severity" in (error as object)
    ? code
    : undefined;
}

/**
 * An error of the driver or the server as FormDB's own. For writes its field `outcome` says whether they were
 * certainly not applied (`rejected`) or nobody can tell (`unknown`); `sqlstate` is the server's name for it.
 */
export function translateError(
  error: unknown,
  where: string,
  flight: Flight,
  retryCodes: readonly string[] = [],
): FormDBError {
  if (error instanceof FormDBError) return error;
  const sqlstate = isLockTimeout(error, flight) ? "55P03" : sqlstateOf(error);
  return sqlstate === undefined
    ? lostError(error, where, flight)
    : serverError(error as ServerError, sqlstate, where, flight, retryCodes);
}

/**
 * Whether `lock_timeout` ended a statement of a transaction and the server calls it a user's request. It does so if the time
 * was over just as a lock was granted, and the statement then waited for another one: the wait for that forgets why the first
 * was interrupted (`ProcSleep` in PostgreSQL's `proc.c`). A request of our own is told apart before.
 */
function isLockTimeout(error: unknown, flight: Flight): boolean {
  const { code, message, where } = error as Partial<ServerError> & { readonly where?: unknown };
  if (flight !== "in-transaction" || code !== "57014") return false;
  return /user request/.test(message ?? "") && /^while \w+ tuple /.test(String(where));
}

/**
 * The error for a connection that ended while something was on its way, or before. A call that is lost tells of a server that
 * goes away; an idle connection may have been cut alone, by a firewall or a proxy.
 */
export function lostError(error: unknown, where: string, flight: Flight): FormDBError {
  const outcome = outcomeOf(flight, true);
  const what = outcome === "unknown" ? "; whether the write took place is not known" : "";
  return new FormDBError(
    "FORMDB_CONNECTION_LOST",
    `The connection to ${where} was lost: ${reasonOf(error)}${what}`,
    {
      cause: error,
      retryable: outcome !== "unknown",
      details: { outcome, fatal: true, ...(flight === "nothing" ? {} : { failover: true }) },
    },
  );
}

/** The error for a statement that has run, but whose answer can't be read. A transaction that is open may still be undone. */
export function unreadable({ message, cause }: Error, flight: Flight): FormDBError {
  return new FormDBError("FORMDB_ENGINE", `The statement has run, but ${message}`, {
    cause,
    details: { outcome: outcomeOf(flight, true) },
  });
}

/** What went wrong, in words: an error of several tries at connecting has none of its own. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return [...new Set(error.errors.map(reasonOf))].join("; ");
  }
  const message = messageOf(error);
  return message === "" ? ((error as ServerError).code ?? "no reason was given") : message;
}

function serverError(
  error: ServerError,
  sqlstate: string,
  where: string,
  flight: Flight,
  retryCodes: readonly string[],
): FormDBError {
  const rule = ruleOf(sqlstate, retryCodes);
  let code: ErrorCode = rule.code;
  const constraint = constraintOf(error);
  if (sqlstate === "23505" && isIdKey(error)) code = "FORMDB_DUPLICATE_ID";
  if (isStalePlan(error)) code = "FORMDB_STALE_PLAN";
  if (isTextTooLong(error)) code = "FORMDB_INVALID_DOCUMENT";
  if (isDefinitionTooLong(error) || needsCoordinator(error)) code = "FORMDB_UNSUPPORTED";
  const nodeIsGone = isNodeGone(error);
  const nodeIsLost = isNodeLost(error);
  if (nodeIsGone || nodeIsLost) code = "FORMDB_CONNECTION_LOST";
  const cannotTell = rule.unknownOutcome === true || nodeIsLost || isCommitUnsaid(error);
  const outcome = outcomeOf(flight, cannotTell && !nodeIsGone);
  const retryable = code === "FORMDB_CONNECTION_LOST" ? outcome !== "unknown" : rule.retryable;
  if (sqlstate === "23505" && code === "FORMDB_CONSTRAINT") return refusedByUnique(error, outcome);
  const refused = sqlstate === "22P02" ? arithmeticRefusal(error.message, { sqlstate, outcome }) : undefined;
  if (refused !== undefined) return refused;
  if (isMiscounted(error)) {
    const message = `The statement can't be given its values: ${messageOf(error)}`;
    return new FormDBError("FORMDB_PARAMETER_MISMATCH", message, {
      cause: error,
      details: { sqlstate, outcome },
    });
  }
  return new FormDBError(code, `${messageOf(error)}${help(error, code, where)}`, {
    cause: error,
    ...(retryable === undefined ? {} : { retryable }),
    details: {
      sqlstate,
      outcome,
      ...(rule.fatal === true && !nodeIsGone ? { fatal: true } : {}),
      ...(rule.failover === true ? { failover: true } : {}),
      ...(error.detail === undefined ? {} : { detail: error.detail }),
      ...(constraint === undefined ? {} : { constraint }),
      ...(error.table === undefined ? {} : { table: error.table }),
    },
  });
}

function refusedByUnique(error: ServerError, outcome: FailureOutcome | undefined): FormDBError {
  const { table, routine } = error;
  const physical = constraintOf(error) ?? "?";
  const collection = table === undefined ? "?" : withoutShard(table);
  const name = logicalIndexName(collection, withoutShard(physical)) ?? physical;
  const making = routine === "comparetup_index_btree_tiebreak" || routine === "comparetup_index_btree";
  return uniqueViolation(
    making ? "Making the index" : "The write",
    { collection, name, paths: [] },
    { sqlstate: "23505", outcome },
  );
}

/** Whether a prepared statement no longer fits its tables, as `0A000` may mean beside other things. */
export function isStalePlan(error: unknown): boolean {
  const sqlstate = sqlstateOf(error);
  if (sqlstate === "26000" || sqlstate === "42P05") return true;
  return sqlstate === "0A000" && (error as ServerError).routine === "RevalidateCachedQuery";
}

/** Whether a statement of somebody's own SQL was given more or fewer values than it has places. */
function isMiscounted({ code, routine }: ServerError): boolean {
  return code === "08P01" && routine === "exec_bind_message";
}

/** Whether a text is too long for `jsonb`, which takes 256 MiB. */
function isTextTooLong({ code, routine }: ServerError): boolean {
  return code === "54000" && routine === "checkStringLen";
}

/** Whether an index has so many deep paths that the server's catalogue can't hold its definition (before 18). */
function isDefinitionTooLong({ code, routine }: ServerError): boolean {
  return code === "54000" && routine === "RelationGetBufferForTuple";
}

/** Whether a worker of Citus was asked for what only the coordinator does: changes of the schema. */
function needsCoordinator({ code, routine }: ServerError): boolean {
  return code === "XX000" && routine === "EnsureCoordinator";
}

/** Whether the coordinator of Citus could not learn from a node that it committed. That node may have done so. */
function isCommitUnsaid({ code, routine }: ServerError): boolean {
  return code === "XX000" && routine === "ErrorIfPostCommitFailedShardPlacements";
}

/** Whether the coordinator of Citus could not reach a node, or lost it before it had prepared: nothing is committed anywhere. */
function isNodeGone({ code, message }: ServerError): boolean {
  return /^(08006|58030|XX000)$/.test(String(code)) && NODE_GONE.test(message);
}

const NODE_GONE =
  /^failed to (prepare transaction|COPY to shard) |^could not establish any connections to the node |^connection to the remote node .*(Connection refused|the database system is (starting up|shutting down|in recovery mode))/;

/** Whether the coordinator of Citus has lost a node: it passes libpq's words on, under a code that says nothing. */
function isNodeLost({ code, message }: ServerError): boolean {
  return code === "XX000" && LIBPQ_LOST.test(message);
}

const LIBPQ_LOST =
  /server closed the connection|SSL SYSCALL error|could not (receive|send) data|connection not open/;

/**
 * The error of a commit, from what the coordinator of Citus has warned of beforehand: if the node answered, and refused to
 * commit, a warning has its error. A warning of class 01 is the coordinator's own remark.
 */
export function refusedByNode(error: unknown, warnings: readonly Warning[]): unknown {
  if (!(error instanceof Error) || !isCommitUnsaid(error)) return error;
  const answers = warnings.filter((warning) => !sqlstateOf(warning)?.startsWith("01"));
  const areRefusals = answers.every((answer) => /^(22|23|40|53|55|P0)/.test(sqlstateOf(answer) ?? ""));
  return answers.length > 0 && areRefusals
    ? Object.assign(new Error(answers[0]!.message), answers[0])
    : error;
}

/** Whether a node of Citus was not heard to commit: what it has prepared is not seen until Citus has finished that. */
export function isCommitUnheard({ message }: Warning): boolean {
  return message.startsWith("failed to commit transaction on ");
}

/** What a group with such a commit fails with: its token, which is on that node too, is looked up, and that waits until it is seen. */
export function commitUnheard(where: string): FormDBError {
  return new FormDBError(
    "FORMDB_CONNECTION_LOST",
    `A node was not heard to commit (at ${where}); whether others see the write is not known`,
    { retryable: false, details: { outcome: "unknown" } },
  );
}

/** Whether a node of Citus has refused a row of a `COPY`, or could not store it: its own SQLSTATE is lost. */
export function isCopyError(error: FormDBError): boolean {
  const { routine } = (error.cause ?? {}) as ServerError;
  return error.code === "FORMDB_ENGINE" && error.sqlstate === "XX000" && routine === "ReportCopyError";
}

/** Whether a batch's token was there already: it was committed by a try that seemed to have failed. */
export function isTokenTaken(error: FormDBError): boolean {
  return error.sqlstate === "23505" && withoutShard(String(error.constraint)) === "formdb_batches_pkey";
}

function isIdKey(error: ServerError): boolean {
  const { table } = error;
  const constraint = constraintOf(error);
  if (constraint === undefined) return false;
  if (table !== undefined && constraint === `${table}_pkey`) return true;
  const key = withoutShard(constraint);
  return (
    key === "primary" || (table === undefined ? key.endsWith("_pkey") : key === `${withoutShard(table)}_pkey`)
  );
}

/** The constraint that was broken. A worker of Citus passes its error's text on, and not its fields. */
function constraintOf({ constraint, code, message }: ServerError): string | undefined {
  return constraint ?? (code?.startsWith("23") ? /"([^"]+)"[^"]*$/.exec(message)?.[1] : undefined);
}

/** A name without the number that Citus puts behind it on a shard. */
function withoutShard(name: string): string {
  return name.replace(/_\d{6,}$/, "");
}

function outcomeOf(flight: Flight, cannotTell: boolean): FailureOutcome | undefined {
  if (flight === "read" || flight === "nothing") return undefined;
  return cannotTell && flight !== "in-transaction" ? "unknown" : "rejected";
}

function help(error: ServerError, code: ErrorCode, where: string): string {
  const parts = [error.detail, error.hint].filter((part) => part !== undefined && part !== "");
  if (error.code === "25P02") parts.push("by an earlier error of the server, even if that was caught");
  if (isDefinitionTooLong(error)) parts.push("an index over so many deep paths needs PostgreSQL 18");
  if (code === "FORMDB_CONNECTION_LOST" || code === "FORMDB_CONNECT_FAILED") parts.push(`at ${where}`);
  return parts.length === 0 ? "" : ` (${parts.join("; ")})`;
}
