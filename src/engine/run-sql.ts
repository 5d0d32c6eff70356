import type { Connection } from "../backend/backend.ts";
import { boundsOf, remaining, throwIfAborted } from "../base/abort.ts";
import type { Row } from "../base/document.ts";
import type { EngineStatement } from "../base/engine-statement.ts";
import { FormDBError, notSent } from "../base/errors.ts";
import { StatementLru } from "../cache/statement-lru.ts";
import { endsTransaction, givesOthersColumns, isSavepoint, sqlShape } from "../dialect/sql-shape.ts";
import { statementName } from "../dialect/statement-name.ts";
import { rowDecoder } from "../plan/decode.ts";
import type { Connections } from "./connections.ts";
import { type QueryResult, rowCountOf } from "./read.ts";
import type { QueryFacts, QueryTimes, Reporter } from "./reporter.ts";
import type { Placeholder, SqlOptions, SqlStatement } from "./sql.ts";

/** Texts of which it is remembered what they are. */
const MAX_TEXTS = 1_000;

/** What is known of a text of the engine's own SQL. */
interface KnownText {
  readonly shape: string;
  readonly name: string;
  /** Whether a connection for reading has refused it. */
  writes: boolean;
}

/** Runs users' own SQL, and reports it by its shape. */
export class SqlRunner {
  /** How the engine writes the place of the n-th value. */
  readonly placeholder: Placeholder;
  readonly #connections: Connections;
  readonly #reporter: Reporter;
  readonly #texts = new StatementLru<KnownText>(MAX_TEXTS);

  constructor(connections: Connections, reporter: Reporter, placeholder: Placeholder) {
    this.placeholder = placeholder;
    this.#connections = connections;
    this.#reporter = reporter;
  }

  /**
   * Runs a statement on a connection lent for it: one for reading if the caller says so, or if the engine can tell that it
   * does not write. `beforeWriting` throws if the caller may not wait for a connection to write.
   */
  run(statement: SqlStatement, options: SqlOptions, beforeWriting: () => void): Promise<QueryResult> {
    const [known, facts] = this.#know(statement, false);
    return this.#reporter.report(facts, rowCountOf, async (times) => {
      if (endsTransaction(known.shape) || isSavepoint(known.shape)) throw notOneConnection(known.shape);
      const { clock } = this.#reporter;
      const asked = clock.now();
      throwIfAborted("The statement", options.signal);
      const tellsWrites = this.#connections.refusesWrites;
      if (options.readOnly === true || (tellsWrites && !known.writes)) {
        try {
          return await this.#onLent("read", known, { statement, options, times });
        } catch (error) {
          if (options.readOnly === true || !isRefusedWrite(error)) throw error;
          known.writes = true;
        }
      }
      beforeWriting();
      const left = remaining(options, clock.now() - asked);
      return await this.#onLent("write", known, { statement, options: left, times }).catch(notSent);
    });
  }

  /** Runs a statement on the connection that its transaction holds. */
  runOn(connection: Connection, statement: SqlStatement, options: SqlOptions): Promise<QueryResult> {
    const [known, facts] = this.#know(statement, true);
    return this.#reporter.report(facts, rowCountOf, (times) => {
      if (endsTransaction(known.shape)) throw notOneConnection(known.shape);
      return this.#execute(connection, engineStatement(known, statement, false), {
        statement,
        options,
        times,
      });
    });
  }

  async #onLent(role: "read" | "write", known: KnownText, call: SqlCall): Promise<QueryResult> {
    const { clock } = this.#reporter;
    const asked = clock.now();
    const bounds = boundsOf(call.options);
    const own = engineStatement(known, call.statement, role === "read");
    let lent = false;
    const waited = (): number => {
      const waitedMs = clock.now() - asked;
      call.times.waitMs += waitedMs;
      return waitedMs;
    };
    const work = (connection: Connection): Promise<QueryResult> => {
      lent = true;
      return this.#execute(connection, own, { ...call, options: remaining(bounds, waited()) });
    };
    try {
      return await this.#connections.use(role, bounds, work, own.name);
    } catch (error) {
      if (!lent) waited();
      throw error;
    }
  }

  async #execute(
    connection: Connection,
    own: EngineStatement,
    { statement, options, times }: SqlCall,
  ): Promise<QueryResult> {
    const { clock } = this.#reporter;
    const sent = clock.now();
    let received: number | undefined;
    try {
      const { rows, rowCount, columns = [] } = await connection.execute(own, statement.values, options);
      received = clock.now();
      const decode = rowDecoder(columns.map((name) => ({ name, form: "text" })));
      const decoded: Row[] = rows.map(decode);
      times.decodeMs += clock.now() - received;
      return { rows: decoded, rowCount };
    } finally {
      times.databaseMs += (received ?? clock.now()) - sent;
    }
  }

  #know({ text, values }: SqlStatement, inTransaction: boolean): [KnownText, QueryFacts] {
    let known = this.#texts.get(text);
    const cacheHit = known !== undefined;
    if (known === undefined) {
      known = { shape: sqlShape(text), name: statementName(`sql ${text}`), writes: false };
      this.#texts.set(text, known);
    }
    const { shape } = known;
    return [known, { operation: "sql", collection: "", shape, cacheHit, parameters: values, inTransaction }];
  }
}

/** One call on its way. */
interface SqlCall {
  readonly statement: SqlStatement;
  readonly options: SqlOptions;
  readonly times: QueryTimes;
}

/** What is no certain read counts as a write, whose outcome may be unknown when a connection is lost. */
function engineStatement(
  { name, shape }: KnownText,
  { text }: SqlStatement,
  reads: boolean,
): EngineStatement {
  // What is kept prepared is read by the columns that it had when it was prepared.
  const prepare = !givesOthersColumns(shape);
  return { text, name, prepare, cost: "scan", returnsRows: reads, raw: true };
}

function isRefusedWrite(error: unknown): boolean {
  return error instanceof FormDBError && error.needsWriter === true;
}

function notOneConnection(shape: string): FormDBError {
  return new FormDBError(
    "FORMDB_UNSUPPORTED",
    `sql can't run ${/^\w+/.exec(shape)?.[0] ?? "it"}: transactions are begun and ended by transaction(), and savepoints ` +
      "belong into one, by its own sql",
  );
}
