import type { CallOptions } from "../../base/abort.ts";
import { encodeDocument, type Row } from "../../base/document.ts";
import { FormDBError } from "../../base/errors.ts";
import { show } from "../../base/options.ts";
import type { Parameters } from "../../plan/plan.ts";
import { outlineOf } from "../../query/outline.ts";
import type { Explanation } from "../explain.ts";
import type { QueryResult } from "../read.ts";
import type { HttpClient, Request } from "./http-client.ts";

/** Queries that may be sent a second time. */
const READING: ReadonlySet<string> = new Set(["SELECT", "EXPLAIN", "INTROSPECT"]);

/** A query as it is sent. */
interface Query {
  readonly text: string;
  readonly parameters: Parameters;
  readonly options?: CallOptions | undefined;
}

/** Queries of the query language. */
export class HttpQueries {
  readonly #client: HttpClient;

  constructor(client: HttpClient) {
    this.#client = client;
  }

  run(query: Query): Promise<QueryResult> {
    return this.#client.json(requestOf("query()", query));
  }

  explain(query: Query): Promise<Explanation> {
    return this.#client.json(requestOf("explain()", query, true));
  }

  async *stream(query: Query): AsyncGenerator<Row> {
    const request = requestOf("stream()", query);
    const { verb } = outlineOf(query.text);
    if (verb !== "SELECT" && verb !== "") {
      throw new FormDBError("FORMDB_UNSUPPORTED", `Only a SELECT can be streamed, not ${verb}`);
    }
    for await (const line of this.#client.lines(request)) yield JSON.parse(line) as Row;
  }
}

function requestOf(what: string, { text, parameters, options }: Query, explain = false): Request {
  if (typeof text !== "string" || text === "") {
    throw new FormDBError("FORMDB_SYNTAX", `A query must be a string with a statement, not ${show(text)}`);
  }
  const isReading = explain || READING.has(outlineOf(text).verb);
  return {
    what,
    method: "POST",
    path: "/v1/query",
    body: `{"query":${JSON.stringify(text)},"params":${encodeParameters(parameters)}${explain ? ',"explain":true' : ""}}`,
    isRepeatable: isReading,
    isWrite: !isReading,
    options,
  };
}

/** Parameters as JSON, with all that JSON would lose refused. */
function encodeParameters(parameters: Parameters): string {
  if (typeof parameters !== "object" || parameters === null)
    throw mismatch(`they must be an array or an object, not ${show(parameters)}`);
  try {
    // Of one in a list JSON would make null, and `NOT IN` would find nothing.
    const values = Object.values(parameters).flatMap((value) =>
      Array.isArray(value) ? Array.from(value) : [value],
    );
    const lost = values.findIndex(isNoJson);
    if (lost !== -1) throw mismatch(`${show(values[lost])} is no JSON value`);
    return encodeDocument({ parameters }).slice('{"parameters":'.length, -1);
  } catch (error) {
    if (!(error instanceof FormDBError) || error.code !== "FORMDB_INVALID_DOCUMENT") throw error;
    throw mismatch(error.message);
  }
}

/** What JSON leaves out, or writes as null in a list. */
function isNoJson(value: unknown): boolean {
  return value === undefined || typeof value === "function" || typeof value === "symbol";
}

function mismatch(why: string): FormDBError {
  return new FormDBError("FORMDB_PARAMETER_MISMATCH", `The parameters can't be sent: ${why}`);
}
