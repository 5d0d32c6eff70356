import { type BatchResult, type FormDB, FormDBError, type ImportOptions, type Row } from "@formdb/perf";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { versionOf } from "./collection-routes.ts";
import { Failures } from "./failures.ts";
import {
  DOCUMENT_BODY,
  DOCUMENTS_BODY,
  GET_QUERY,
  ID_PARAMS,
  IDS_BODY,
  IF_VERSION,
  IMPORT_QUERY,
  INDEX_BODY,
  INDEX_PARAMS,
  NAME_PARAMS,
  PATCH_BODY,
  REPLACE_QUERY,
  UPDATES_BODY,
} from "./schemas.ts";
import type { RouteTools } from "./server-options.ts";
import { HttpError } from "./status.ts";
import { importLines, upload } from "./upload.ts";

interface InCollection {
  Params: { name: string };
}
interface OfDocument {
  Params: { name: string; id: string };
}

interface IfVersion {
  Querystring: { ifVersion?: string };
}

const FULL = { access: "full" } as const;
const READ = { access: "read" } as const;

const DOCUMENTS = "/v1/collections/:name/documents";
const DOCUMENT = `${DOCUMENTS}/:id`;

/** Reads and writes of documents, by id and many at once. */
export function documentRoutes(app: FastifyInstance, tools: RouteTools): void {
  const { db, limits, log } = tools;
  const bounds = { timeoutMs: limits.callTimeoutMs };
  const told = async (
    work: Promise<BatchResult>,
    { id }: Pick<FastifyRequest, "id">,
  ): Promise<BatchResult> => {
    const result = await work;
    if (result.errors.length === 0) return result;
    const failures = new Failures(log, id);
    return { ...result, errors: result.errors.map((error) => failures.told(error)) };
  };

  app.get<OfDocument & { Querystring: { version?: "true" | "false" } }>(
    DOCUMENT,
    { config: READ, schema: { summary: "A document", params: ID_PARAMS, querystring: GET_QUERY } },
    async ({ params: { name, id }, query }) => {
      const found = await (query.version === "true"
        ? db.collection<Row>(name).get(id, { version: true, ...bounds })
        : db.get(name, id, bounds));
      if (found === undefined) throw notFound(name, id);
      return found;
    },
  );
  app.put<OfDocument & IfVersion & { Body: Row }>(
    DOCUMENT,
    {
      config: FULL,
      schema: {
        summary: "Insert or replace a document",
        params: ID_PARAMS,
        querystring: REPLACE_QUERY,
        body: DOCUMENT_BODY,
      },
    },
    async ({ params: { name, id }, query: { ifVersion }, body }) => {
      const own = Number.isSafeInteger(body.id) ? String(body.id) : body.id;
      if (own !== undefined && own !== id) {
        throw new FormDBError("FORMDB_INVALID_ID", `The document's id must be that of its path, "${id}"`);
      }
      const document = { ...body, id };
      if (ifVersion === undefined) return { id: await db.upsert(name, document, bounds) };
      const options = { ...bounds, ifVersion: versionOf(ifVersion) };
      return { id, ...(await db.collection<Row>(name).replace(id, document, options)) };
    },
  );
  app.patch<OfDocument & { Body: Row }>(
    DOCUMENT,
    {
      config: FULL,
      schema: { summary: "Merge a patch into a document", params: ID_PARAMS, body: PATCH_BODY },
    },
    async ({ params: { name, id }, body }) => {
      await db.update(name, id, body, bounds);
      return { id };
    },
  );
  app.delete<OfDocument & IfVersion>(
    DOCUMENT,
    { config: FULL, schema: { summary: "Delete a document", params: ID_PARAMS, querystring: IF_VERSION } },
    async ({ params: { name, id }, query }) => {
      const options = { ...bounds, ifVersion: versionOf(query.ifVersion) };
      return { deleted: await db.collection<Row>(name).delete(id, options) };
    },
  );

  app.post<InCollection & { Body: unknown }>(
    DOCUMENTS,
    {
      config: { access: "full", takesNdjson: true },
      schema: { summary: "Insert a document, an array of them, or a stream of NDJSON", params: NAME_PARAMS },
    },
    async (request, reply) => {
      const { body, params } = request;
      if (body === request.raw) return upload(tools, params.name, request, reply);
      if (Array.isArray(body)) return told(db.batchInsert(params.name, body, bounds), request);
      return inserted(db.insert(params.name, body, bounds), reply);
    },
  );
  app.post<InCollection & { Querystring: { ifExists?: ImportOptions["ifExists"] } }>(
    "/v1/collections/:name/import",
    {
      config: { access: "full", takesNdjson: true },
      schema: {
        summary: "Import a stream of NDJSON; the answer is NDJSON too",
        params: NAME_PARAMS,
        querystring: IMPORT_QUERY,
      },
    },
    (request, reply) => {
      if (request.body !== request.raw) {
        throw new HttpError("HTTP_UNSUPPORTED_MEDIA_TYPE", "An import's body must be application/x-ndjson");
      }
      return importLines(tools, request.params.name, request.query.ifExists, { request, reply });
    },
  );
  app.put<InCollection & { Body: unknown }>(
    DOCUMENTS,
    {
      config: FULL,
      schema: { summary: "Insert or replace documents", params: NAME_PARAMS, body: DOCUMENTS_BODY },
    },
    async (request) => {
      const { name } = request.params;
      const { body } = request;
      if (Array.isArray(body)) return told(db.batchUpsert(name, body, bounds), request);
      return { id: await db.upsert(name, body, bounds) };
    },
  );
  app.patch<InCollection & { Body: { id: string | number; document: unknown }[] }>(
    DOCUMENTS,
    {
      config: FULL,
      schema: { summary: "Merge patches into documents", params: NAME_PARAMS, body: UPDATES_BODY },
    },
    (request) => told(db.batchUpdate(request.params.name, request.body, bounds), request),
  );
  app.delete<InCollection & { Body: (string | number)[] }>(
    DOCUMENTS,
    { config: FULL, schema: { summary: "Delete documents by id", params: NAME_PARAMS, body: IDS_BODY } },
    (request) => told(db.batchDelete(request.params.name, request.body, bounds), request),
  );
}

/** Collections and indexes. */
export function schemaRoutes(app: FastifyInstance, db: FormDB): void {
  app.get("/v1/collections", { config: READ, schema: { summary: "The collections" } }, async () => ({
    collections: await db.listCollections(),
  }));
  app.put<InCollection>(
    "/v1/collections/:name",
    { config: FULL, schema: { summary: "Make a collection", params: NAME_PARAMS } },
    async ({ params: { name } }) => ({ created: await db.createCollection(name) }),
  );
  app.delete<InCollection>(
    "/v1/collections/:name",
    { config: FULL, schema: { summary: "Drop a collection and its documents", params: NAME_PARAMS } },
    async ({ params: { name } }) => ({ dropped: await db.dropCollection(name) }),
  );
  app.get<InCollection>(
    "/v1/collections/:name/indexes",
    { config: READ, schema: { summary: "The indexes of a collection", params: NAME_PARAMS } },
    async ({ params: { name } }) => ({ indexes: await db.listIndexes(name) }),
  );
  app.post<InCollection & { Body: { paths: string[]; unique?: boolean; name?: string } }>(
    "/v1/collections/:name/indexes",
    { config: FULL, schema: { summary: "Make an index", params: NAME_PARAMS, body: INDEX_BODY } },
    async ({ params: { name }, body: { paths, ...options } }) => ({
      name: await db.createIndex(name, paths, options),
    }),
  );
  app.delete<{ Params: { name: string; index: string } }>(
    "/v1/collections/:name/indexes/:index",
    { config: FULL, schema: { summary: "Drop an index", params: INDEX_PARAMS } },
    async ({ params: { name, index } }) => {
      await db.dropIndex(name, index);
      return { name: index };
    },
  );
}

async function inserted(work: Promise<string>, reply: FastifyReply): Promise<{ id: string }> {
  const id = await work;
  reply.code(201);
  return { id };
}

function notFound(collection: string, id: string): FormDBError {
  return new FormDBError(
    "FORMDB_NOT_FOUND",
    `${collection} has no document with the id ${JSON.stringify(id)}`,
    {
      details: { collection, id },
    },
  );
}
