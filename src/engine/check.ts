import { type CallOptions, remaining } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { unprepared } from "../base/engine-statement.ts";
import { FormDBError, messageOf } from "../base/errors.ts";
import type { DdlDialect, IndexDefinition } from "../dialect/ddl-dialect.ts";
import type { Catalog } from "./catalog.ts";
import type { Connections } from "./connections.ts";

/** Problems of one kind that are listed; of a database that is broken in many places nobody reads all. */
const MAX_LISTED = 100;

/** One thing that is not as it must be. */
export interface CheckProblem {
  /** The database file as the engine sees it, an index, or a document. */
  readonly kind: "file" | "index" | "document";
  readonly collection?: string | undefined;
  /** The index's name. */
  readonly index?: string | undefined;
  /** The document's id. */
  readonly id?: string | undefined;
  /** What is wrong, in a sentence. */
  readonly message: string;
}

/** What `db.check()` found. */
export interface CheckResult {
  /** True if there are no problems. */
  readonly ok: boolean;
  /** At most 100 of the file, of the indexes and of each collection's documents, and then one that says that there are more. */
  readonly problems: readonly CheckProblem[];
}

/** The indexes that are registered, and those that the engine has. */
interface IndexLists {
  readonly registered: readonly IndexDefinition[];
  readonly definitions: ReadonlyMap<string, string>;
  readonly invalid: ReadonlySet<string>;
  readonly collections: ReadonlySet<string>;
}

/** What remains of the time that a check was given. */
type TimeLeft = () => CallOptions;

/** Looks whether a database is as FormDB has left it: the file, the indexes, and each document. Changes nothing. */
export class Checker {
  readonly #connections: Connections;
  readonly #catalog: Catalog;
  readonly #ddl: DdlDialect;
  readonly #clock: Clock;

  constructor(connections: Connections, catalog: Catalog, ddl: DdlDialect, clock: Clock) {
    this.#connections = connections;
    this.#catalog = catalog;
    this.#ddl = ddl;
    this.#clock = clock;
  }

  async run({ signal, timeoutMs = Infinity }: CallOptions): Promise<CheckResult> {
    const start = this.#clock.now();
    const left = (): CallOptions => remaining({ signal, timeoutMs }, this.#clock.now() - start);
    const problems = await this.#file(left);
    problems.push(...(await this.#indexes(left)));
    for (const collection of await this.#catalog.refresh(left())) {
      problems.push(...(await this.#documents(collection, left)));
    }
    return { ok: problems.length === 0, problems };
  }

  async #file(left: TimeLeft): Promise<CheckProblem[]> {
    const { integrity } = this.#ddl;
    if (integrity === undefined) return [];
    const found = await this.#orProblem({ kind: "file" }, async () => {
      const rows = await this.#rows(integrity, left);
      return rows.map(([text]) => String(text)).filter((text) => text !== "ok");
    });
    return listed(found.map((each) => (typeof each === "string" ? { kind: "file", message: each } : each)));
  }

  /** Looked at again if something is wrong: another process may make or drop an index between two of the lists. */
  async #indexes(left: TimeLeft): Promise<CheckProblem[]> {
    const first = this.#compare(await this.#indexLists(left));
    return listed(first.length === 0 ? first : this.#compare(await this.#indexLists(left)));
  }

  async #indexLists(left: TimeLeft): Promise<IndexLists> {
    const { listDefinitions, invalidIndexes } = this.#ddl;
    const collections = new Set(await this.#catalog.refresh(left()));
    const registered = await this.#catalog.indexes(undefined, left());
    const definitions = new Map((await this.#rows(listDefinitions, left)) as [string, string][]);
    const invalid = invalidIndexes === undefined ? [] : await this.#rows(invalidIndexes, left);
    return { registered, definitions, invalid: new Set(invalid.map(([name]) => String(name))), collections };
  }

  #compare({ registered, definitions, invalid, collections }: IndexLists): CheckProblem[] {
    const problems: CheckProblem[] = [];
    const unregistered = new Set(definitions.keys());
    for (const name of this.#ddl.ownIndexes) unregistered.delete(name);
    for (const each of registered) {
      const { collection, name } = each;
      const own = this.#ddl.indexName(collection, name);
      const definition = definitions.get(own);
      const found = (message: string): void => {
        problems.push({ kind: "index", collection, index: name, message });
      };
      unregistered.delete(own);
      if (!collections.has(collection)) found("it is registered for a collection that is not there");
      else if (definition === undefined)
        found("it is registered, but the engine has no such index: drop it and make it again");
      else if (invalid.has(own)) found("the engine did not finish making it: drop it and make it again");
      else if (!this.#ddl.isCurrent(each, definition))
        found(
          "an earlier version has made it, so that no query uses it: open the database where it may be written",
        );
    }
    for (const own of unregistered) {
      problems.push({
        kind: "index",
        index: own,
        message:
          "the engine has it under this name, but it is not registered: queries are right, and nobody drops it",
      });
    }
    return problems;
  }

  async #documents(collection: string, left: TimeLeft): Promise<CheckProblem[]> {
    const found = await this.#orProblem({ kind: "document", collection }, async () => {
      try {
        return await this.#rows(this.#ddl.wrongDocuments(collection, MAX_LISTED + 1), left);
      } catch (error) {
        // Dropped by another process meanwhile: it has no documents.
        if (this.#catalog.noticeMissing(error, collection)) return [];
        throw error;
      }
    });
    return listed(
      found.map((each) =>
        "kind" in each
          ? each
          : { kind: "document", collection, id: String(each[0]), message: String(each[1]) },
      ),
    );
  }

  /** What is too broken to be read is a problem, not the end of the check. */
  async #orProblem<T>(
    where: Pick<CheckProblem, "kind" | "collection">,
    work: () => Promise<readonly T[]>,
  ): Promise<readonly (T | CheckProblem)[]> {
    try {
      return await work();
    } catch (error) {
      if (!isCorruption(error)) throw error;
      return [{ ...where, message: messageOf(error) }];
    }
  }

  async #rows(text: string, left: TimeLeft): Promise<readonly (readonly unknown[])[]> {
    const statement = unprepared(text, { cost: "scan", returnsRows: true });
    const { rows } = await this.#connections.use("read", left(), (connection) =>
      connection.execute(statement, [], left()),
    );
    return rows;
  }
}

/** SQLite's codes for a file that is broken, and PostgreSQL's for a table or an index that is. */
function isCorruption(error: unknown): boolean {
  if (!(error instanceof FormDBError)) return false;
  return (
    /^SQLITE_(?:CORRUPT|NOTADB)/.test(String(error.sqliteCode)) || /^XX00[12]$/.test(String(error.sqlstate))
  );
}

function listed(problems: readonly CheckProblem[]): CheckProblem[] {
  if (problems.length <= MAX_LISTED) return [...problems];
  const [{ kind, collection }] = problems as [CheckProblem];
  const more = { kind, message: `there are more; the first ${MAX_LISTED} are listed` };
  return [
    ...problems.slice(0, MAX_LISTED),
    collection === undefined || kind === "index" ? more : { ...more, collection },
  ];
}
