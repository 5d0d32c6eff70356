import type { CallOptions } from "../../base/abort.ts";
import type { Row } from "../../base/document.ts";
import { FormDBError } from "../../base/errors.ts";
import { show } from "../../base/options.ts";
import { jsonValue } from "../../plan/operand-values.ts";
import { mismatch } from "../../plan/parameters.ts";
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

/** Parameters as JSON. What JSON can't hold, or would lose, is refused as by the statement's own check. */
function encodeParameters(parameters: Parameters): string {
  if (typeof parameters !== "object" || parameters === null)
    throw mismatch(`The parameters must be an array or an object, not ${show(parameters)}`);
  if (Array.isArray(parameters)) {
    return JSON.stringify(Array.from(parameters, (value, i) => parameter(value, `$${i + 1}`)));
  }
  const named = Object.entries(parameters).map(([name, value]) => [name, parameter(value, `:${name}`)]);
  return JSON.stringify(Object.fromEntries(named));
}

/** Elements are looked at each: JSON would make null of one that is undefined, with which `NOT IN` finds nothing. */
function parameter(value: unknown, name: string): unknown {
  if (!Array.isArray(value)) return jsonValue(value, name);
  return Array.from(value, (element, i) => jsonValue(element, `${name}[${i}]`));
}
