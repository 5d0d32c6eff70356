import type { CallOptions, Collection, FindOptions, Row } from "@formdb/perf";
import type { FastifyInstance } from "fastify";
import { endOf, sendRows, wantsLines } from "./rows.ts";
import {
  CHANGES_BODY,
  COUNT_BODY,
  FIND_BODY,
  FIND_ONE_AND_UPDATE_BODY,
  ID_PARAMS,
  IF_VERSION,
  NAME_PARAMS,
} from "./schemas.ts";
import type { RouteTools } from "./server-options.ts";

type Handle = Collection<Row>;
type OrderBy = FindOptions<Row>["orderBy"];
type Changes = Parameters<Handle["update"]>[1];
type FilterOf = Parameters<Handle["findOneAndUpdate"]>[0];

type FindBody = { readonly filter?: FilterOf } & Omit<FindOptions<Row>, "signal" | "timeoutMs" | "select">;

/** What a collection's handle does beside reads and writes by id: find by filters, page, change by path. */
export function collectionRoutes(app: FastifyInstance, tools: RouteTools): void {
  const { db, limits } = tools;
  const bounds = { timeoutMs: limits.callTimeoutMs };

  app.post<{ Params: { name: string }; Body: FindBody }>(
    "/v1/collections/:name/find",
    {
      config: { access: "read" },
      schema: {
        summary: "A page of the documents that a filter means; as NDJSON, all of them",
        params: NAME_PARAMS,
        body: FIND_BODY,
      },
    },
    async (request, reply) => {
      const { filter = {}, ...options } = request.body;
      const handle = db.collection<Row>(request.params.name);
      if (wantsLines(request)) {
        const begin = (own: CallOptions): AsyncIterator<Row> =>
          handle.find(filter, { ...options, ...own })[Symbol.asyncIterator]();
        return sendRows(begin, { request, reply, tools });
      }
      return handle.find(filter, { ...options, ...bounds, signal: endOf(request.raw.socket) }).page();
    },
  );
  app.post<{ Params: { name: string }; Body: { filter?: FilterOf } }>(
    "/v1/collections/:name/count",
    {
      config: { access: "read" },
      schema: { summary: "How many documents a filter means", params: NAME_PARAMS, body: COUNT_BODY },
    },
    async ({ params: { name }, body: { filter = {} }, raw }) => ({
      count: await db.collection<Row>(name).count(filter, { ...bounds, signal: endOf(raw.socket) }),
    }),
  );
  app.post<{ Params: { name: string; id: string }; Querystring: { ifVersion?: string }; Body: Changes }>(
    "/v1/collections/:name/documents/:id/changes",
    {
      config: { access: "full" },
      schema: {
        summary: "Change a document by path",
        params: ID_PARAMS,
        querystring: IF_VERSION,
        body: CHANGES_BODY,
      },
    },
    ({ params: { name, id }, query, body }) =>
      db.collection<Row>(name).update(id, body, { ...bounds, ifVersion: versionOf(query.ifVersion) }),
  );
  app.post<{ Params: { name: string }; Body: { filter?: FilterOf; changes: Changes; orderBy?: OrderBy } }>(
    "/v1/collections/:name/find-one-and-update",
    {
      config: { access: "full" },
      schema: {
        summary: "Change the first document that a filter means",
        params: NAME_PARAMS,
        body: FIND_ONE_AND_UPDATE_BODY,
      },
    },
    async ({ params: { name }, body: { filter = {}, changes, orderBy } }) => {
      const document = await db
        .collection<Row>(name)
        .findOneAndUpdate(filter, changes, { ...bounds, orderBy });
      return { document: document ?? null };
    },
  );
}

/** The version of a query's `ifVersion`, whose form its schema has checked. */
export function versionOf(text: string | undefined): number | undefined {
  return text === undefined || text === "any" ? undefined : Number(text);
}
