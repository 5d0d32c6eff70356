import type { FormDB, Row } from "@formdb/perf";
import { outlineOf } from "@formdb/perf/query";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { allows } from "./access.ts";
import { QUERY_BODY } from "./schemas.ts";
import type { ServerLimits } from "./server-options.ts";
import { HttpError } from "./status.ts";
import { LineWriter } from "./upload.ts";

interface QueryBody {
  readonly query: string;
  readonly params?: readonly unknown[] | Readonly<Record<string, unknown>>;
  readonly explain?: boolean;
}

/** Queries that change nothing. */
const READING: ReadonlySet<string> = new Set(["SELECT", "EXPLAIN", "INTROSPECT"]);

/** Rows that are written as one piece. */
const ROWS_A_PIECE = 64;

/** Queries of the query language; asked for `application/x-ndjson`, the rows of a SELECT are streamed. */
export function queryRoute(app: FastifyInstance, db: FormDB, limits: ServerLimits): void {
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
      const ended = new AbortController();
      reply.raw.once("close", () => {
        if (!reply.raw.writableFinished) ended.abort();
      });
      const options = { signal: ended.signal, timeoutMs: limits.callTimeoutMs };
      if (verb === "SELECT" && (request.headers.accept ?? "").includes("application/x-ndjson")) {
        return stream(db.stream(query, params, options), request, reply);
      }
      return db.query(query, params, options);
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

/** The first row is there before the answer begins, so that a query that fails at once has its status. */
async function stream(
  rows: AsyncIterableIterator<Row>,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  let next = await rows.next();
  const lines = new LineWriter(reply);
  try {
    let piece: string[] = [];
    for (; next.done !== true; next = await rows.next()) {
      piece.push(JSON.stringify(next.value));
      if (piece.length < ROWS_A_PIECE) continue;
      await lines.write(`${piece.join("\n")}\n`);
      piece = [];
    }
    return lines.end(piece.length === 0 ? "" : `${piece.join("\n")}\n`);
  } catch (error) {
    request.log.warn({ reqId: request.id, err: error }, "a stream of rows was cut short");
    return lines.break();
  } finally {
    await rows.return?.();
  }
}
