import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { ruleOf, SQLSTATES } from "../../../src/backend/postgres/sqlstates.ts";
import {
  type Flight,
  isCopyError,
  isTokenTaken,
  refusedByNode,
  translateError,
} from "../../../src/backend/postgres/translate-error.ts";
import { physicalIndexName } from "../../../src/dialect/postgres/names.ts";
import { PROFILES } from "../../../src/dialect/postgres/profiles.ts";

/** An error as a server's message becomes one. */
function serverError(code: string, fields: Record<string, string> = {}): Error {
  return Object.assign(new Error(`the server says ${code}`), { code, severity: "ERROR", ...fields });
}

describe("the table of SQLSTATEs", () => {
  test("is the one in the documentation", () => {
    const text = readFileSync(new URL("../../../docs/errors.md", import.meta.url), "utf8");
    const rows = [...text.matchAll(/^\| `([0-9A-Z]{2,5})` \| (.*) \| `(FORMDB_\w+)` \| (.*) \|$/gm)];
    expect(rows.map(([, sqlstate, meaning, code, also]) => [sqlstate, meaning, code, also?.trim()])).toEqual(
      SQLSTATES.map(({ sqlstate, meaning, code, fatal, failover, unknownOutcome }) => [
        sqlstate,
        meaning,
        code,
        [fatal && "connection closed", failover && "pool renewed", unknownOutcome && "outcome unknown"]
          .filter((part) => typeof part === "string")
          .join(", "),
      ]),
    );
  });

  test("names nothing twice, and prefers the longer name", () => {
    expect(new Set(SQLSTATES.map(({ sqlstate }) => sqlstate)).size).toBe(SQLSTATES.length);
    expect(ruleOf("40003").code).toBe("FORMDB_CONNECTION_LOST");
    expect(ruleOf("40001").code).toBe("FORMDB_SERIALIZATION");
    expect(ruleOf("XX000").code).toBe("FORMDB_ENGINE");
  });
});

describe("a server's error", () => {
  test.each<[string, string, boolean]>([
    ["40001", "FORMDB_SERIALIZATION", true],
    ["40P01", "FORMDB_SERIALIZATION", true],
    ["55P03", "FORMDB_BUSY", true],
    ["53300", "FORMDB_BUSY", true],
    ["57P03", "FORMDB_CONNECT_FAILED", true],
    ["28P01", "FORMDB_CONNECT_FAILED", false],
    ["22P05", "FORMDB_INVALID_DOCUMENT", false],
    ["23514", "FORMDB_CONSTRAINT", false],
    ["42501", "FORMDB_UNSUPPORTED", false],
    ["42P01", "FORMDB_UNKNOWN_COLLECTION", false],
    ["42601", "FORMDB_ENGINE", false],
  ])("%s becomes %s (retryable: %s)", (sqlstate, code, retryable) => {
    expect(translateError(serverError(sqlstate), "h:1", "read")).toMatchObject({ code, retryable, sqlstate });
  });

  test("that counts the values of a statement is its caller's, and ends no connection", () => {
    const miscounted = serverError("08P01", { routine: "exec_bind_message" });
    const error = translateError(miscounted, "h:1", "read");
    expect(error).toMatchObject({ code: "FORMDB_PARAMETER_MISMATCH", retryable: false, sqlstate: "08P01" });
    expect(error.fatal).toBeUndefined();
    expect(translateError(serverError("08P01"), "h:1", "read").fatal).toBe(true);
  });

  test("asks for another try by the engine's own code only on that engine", () => {
    const conflict = serverError("OC000");
    const { retryCodes } = PROFILES.dsql;
    expect(translateError(conflict, "h:1", "commit", retryCodes)).toMatchObject({
      code: "FORMDB_SERIALIZATION",
      retryable: true,
      outcome: "rejected",
    });
    expect(translateError(conflict, "h:1", "commit").code).toBe("FORMDB_ENGINE");
  });

  test("tells a taken id from other keys", () => {
    const taken = serverError("23505", {
      table: "users",
      constraint: "users_pkey",
      detail: "Key (id)=(1) already exists.",
    });
    expect(translateError(taken, "h:1", "autocommit")).toMatchObject({
      code: "FORMDB_DUPLICATE_ID",
      outcome: "rejected",
    });
    const unique = serverError("23505", { table: "users", constraint: "formdb_users_by_mail_x" });
    expect(translateError(unique, "h:1", "autocommit").code).toBe("FORMDB_CONSTRAINT");
  });

  test("names a unique index as its user does, and repeats no value of the document", () => {
    const error = serverError("23505", {
      message: 'duplicate key value violates unique constraint "formdb_users_by_mail"',
      table: "users",
      constraint: physicalIndexName("users", "by_mail"),
      detail: "Key (doc ->> 'mail')=(ada@example.org) already exists.",
    });
    const translated = translateError(error, "h:1", "autocommit");
    expect(translated).toMatchObject({
      code: "FORMDB_CONSTRAINT",
      constraint: "by_mail",
      collection: "users",
    });
    expect(translated.message).toBe(
      "The write failed: values in the unique index by_mail of users must differ between documents",
    );
    expect(inspect(translated)).not.toContain("ada@example.org");
  });

  test("a text that is too long for jsonb is the document's fault", () => {
    const error = serverError("54000", { routine: "checkStringLen" });
    expect(translateError(error, "h:1", "autocommit").code).toBe("FORMDB_INVALID_DOCUMENT");
  });

  test("that a worker of Citus passed on still tells which key it was", () => {
    const remote = (constraint: string): Error =>
      Object.assign(serverError("23505"), {
        message: `duplicate key value violates unique constraint "${constraint}"`,
      });
    expect(translateError(remote("docs_pkey_102008"), "h:1", "autocommit").code).toBe("FORMDB_DUPLICATE_ID");
    expect(translateError(remote("formdb_docs_by_mail_1x_102009"), "h:1", "autocommit").code).toBe(
      "FORMDB_CONSTRAINT",
    );
    expect(isTokenTaken(translateError(remote("formdb_batches_pkey_102010"), "h:1", "autocommit"))).toBe(
      true,
    );
    expect(isTokenTaken(translateError(remote("docs_pkey_102010"), "h:1", "autocommit"))).toBe(false);
  });

  test("of a commit that a node of Citus did not confirm is unknown, unless the node said why it refused", () => {
    const routine = "ErrorIfPostCommitFailedShardPlacements";
    const unsaid = serverError("XX000", { routine });
    const remark = serverError("01000");
    const told = (...warnings: Error[]): object =>
      translateError(refusedByNode(unsaid, warnings), "h:1", "commit");
    expect(told()).toMatchObject({ sqlstate: "XX000", outcome: "unknown" });
    expect(told(serverError("08006"), remark)).toMatchObject({ sqlstate: "XX000", outcome: "unknown" });
    expect(told(serverError("57P01"), remark)).toMatchObject({ sqlstate: "XX000", outcome: "unknown" });
    expect(told(serverError("40001"), serverError("08006"))).toMatchObject({ outcome: "unknown" });
    expect(told(serverError("40001"), remark)).toMatchObject({
      code: "FORMDB_SERIALIZATION",
      outcome: "rejected",
      retryable: true,
    });
    expect(told(serverError("23514"), remark)).toMatchObject({
      code: "FORMDB_CONSTRAINT",
      outcome: "rejected",
    });
    expect(translateError(unsaid, "h:1", "in-transaction").outcome).toBe("rejected");
  });

  test.each([
    ["XX000", "failed to prepare transaction 'citus_0_1_2_3' on host h:2"],
    ["58030", "failed to COPY to shard 102008 on h:2"],
    ["08006", "could not establish any connections to the node h:2 after 30000 ms"],
    [
      "08006",
      "connection to the remote node p@h:2 failed with the following error: FATAL:  the database system is starting up",
    ],
    ["08006", "connection to the remote node p@h:2 failed with the following error: Connection refused"],
  ])(
    "of a node that Citus could not reach, or had not heard to prepare, is certainly not applied: %s %s",
    (code, message) => {
      const gone = translateError(serverError(code, { message }), "h:1", "autocommit");
      expect(gone).toMatchObject({
        code: "FORMDB_CONNECTION_LOST",
        outcome: "rejected",
        retryable: true,
        sqlstate: code,
      });
      expect(gone.fatal).toBeUndefined();
      const lost = `connection to the remote node p@h:2 failed with the following error: connection not open`;
      const other = translateError(serverError("08006", { message: lost }), "h:1", "autocommit");
      expect(other).toMatchObject({ outcome: "unknown", fatal: true });
    },
  );

  test("of a node that the coordinator of Citus has lost is that of a lost connection, which stays of use", () => {
    const lost = serverError("XX000", {
      message: "SSL SYSCALL error: EOF detected",
      routine: "ReportCopyError",
    });
    const inTransaction = translateError(lost, "h:1", "in-transaction");
    expect(inTransaction).toMatchObject({
      code: "FORMDB_CONNECTION_LOST",
      outcome: "rejected",
      retryable: true,
    });
    expect(inTransaction.fatal).toBeUndefined();
    expect(isCopyError(inTransaction)).toBe(false);
    expect(translateError(lost, "h:1", "autocommit")).toMatchObject({ outcome: "unknown", retryable: false });
    const refused = serverError("XX000", { routine: "ReportCopyError" });
    expect(isCopyError(translateError(refused, "h:1", "in-transaction"))).toBe(true);
  });

  test("tells what an engine can't do from what a document may not be", () => {
    const entry = serverError("54000", { routine: "_bt_check_third_page" });
    expect(translateError(entry, "h:1", "autocommit").code).toBe("FORMDB_CONSTRAINT");
    const definition = translateError(
      serverError("54000", { routine: "RelationGetBufferForTuple" }),
      "h:1",
      "autocommit",
    );
    expect(definition).toMatchObject({
      code: "FORMDB_UNSUPPORTED",
      message: expect.stringMatching(/PostgreSQL 18/),
    });
    const worker = serverError("XX000", { routine: "EnsureCoordinator", hint: "Connect to the coordinator" });
    expect(translateError(worker, "h:1", "autocommit").code).toBe("FORMDB_UNSUPPORTED");
  });

  test.each<[string, Flight, unknown]>([
    ["57P01", "commit", "unknown"],
    ["57P01", "autocommit", "unknown"],
    ["57P01", "in-transaction", "rejected"],
    ["57P01", "read", undefined],
    ["40003", "commit", "unknown"],
    ["08006", "autocommit", "unknown"],
    ["40001", "commit", "rejected"],
    ["23505", "autocommit", "rejected"],
  ])("%s during %s has the outcome %s", (sqlstate, flight, outcome) => {
    expect(translateError(serverError(sqlstate), "h:1", flight).outcome).toBe(outcome);
  });

  test("that is none, but the socket's, is a lost connection", () => {
    const reset = Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
    expect(translateError(reset, "h:1", "commit")).toMatchObject({
      code: "FORMDB_CONNECTION_LOST",
      outcome: "unknown",
      retryable: false,
    });
    expect(translateError(reset, "h:1", "read").retryable).toBe(true);
  });

  test("that a lock timeout is called a user's request by is a lock timeout, in a transaction's wait for a row", () => {
    const words = { message: "canceling statement due to user request" };
    const where = 'while locking tuple (0,21) in relation "c"';
    const told = (fields: Record<string, string>, flight: Flight): unknown => {
      const { code, sqlstate } = translateError(serverError("57014", { ...words, ...fields }), "h:1", flight);
      return [code, sqlstate];
    };
    expect(told({ where }, "in-transaction")).toEqual(["FORMDB_BUSY", "55P03"]);
    expect(told({ where }, "autocommit")).not.toContain("55P03");
    expect(told({}, "in-transaction")).not.toContain("55P03");
    const bySetting = { message: "canceling statement due to statement timeout", where };
    expect(told(bySetting, "in-transaction")).not.toContain("55P03");
  });
});
