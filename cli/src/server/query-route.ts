import { outlineOf } from "@formdb/perf/query";
import type { FastifyInstance } from "fastify";
import { allows } from "./access.ts";
import { endOf, sendRows, wantsLines } from "./rows.ts";
import { QUERY_BODY } from "./schemas.ts";
import type { RouteTools } from "./server-options.ts";
import { HttpError } from "./status.ts";

interface QueryBody {
  readonly query: string;
  readonly params?: readonly unknown[] | Readonly<Record<string, unknown>>;
  readonly explain?: boolean;
}

/** Queries that change nothing. */
const READING: ReadonlySet<string> = new Set(["SELECT", "EXPLAIN", "INTROSPECT"]);

/** Queries of the query language; asked for `application/x-ndjson`, the rows of a SELECT are streamed. */
export function queryRoute(app: FastifyInstance, tools: RouteTools): void {
  const { db, limits } = tools;
  const verbs = new Verbs();
  app.post<{ Body: QueryBody }>(
    "/v1/query",
    { config: { access: "read" }, schema: { summary: "Run a query, or give its plan", body: QUERY_BODY } },
    async (request, reply) => {
      const { query, params = [], explain = false } = request.body;
      const verb = verbs.of(query);
      if (!READING.has(verb) && !explain && !allows(request.formdbAccess, "full") && verb !== "") {
        throw new HttpError("HTTP_FORBIDDEN", `${verb} needs the full key; this one is for reading`);
      }
      if (explain) return db.explain(query, params);
      if (verb === "SELECT" && wantsLines(request)) {
        return sendRows((bounds) => db.stream(query, params, bounds), { request, reply, tools });
      }
      return db.query(query, params, {
        signal: endOf(request.raw.socket),
        timeoutMs: limits.callTimeoutMs,
      });
    },
  );
}

/** Texts whose first word is remembered, and how long they may be. */
const MAX_TEXTS = 1_000;
const MAX_TEXT_LENGTH = 2_000;

/** The first words of queries. */
class Verbs {
  readonly #known = new Map<string, string>();

  of(text: string): string {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const { verb } = outlineOf(text);
    if (text.length > MAX_TEXT_LENGTH) return verb;
    if (this.#known.size >= MAX_TEXTS) this.#known.clear();
    this.#known.set(text, verb);
    return verb;
  }
}
