/** A service for notes: create, read, change, delete, search, page, import in bulk; the same on SQLite and PostgreSQL. */
import { type Filter, type FormDB, FormDBError } from "@formdb/perf";
import fastify, { type FastifyInstance } from "fastify";
import * as z from "zod";

const Note = z.object({
  title: z.string().min(1),
  body: z.string().default(""),
  tags: z.array(z.string()).default([]),
  views: z.number().int().default(0),
});
type Note = z.infer<typeof Note>;

const Id = z.object({ id: z.string().min(1) });
const Search = z.object({
  title: z.string().optional(),
  tag: z.string().optional(),
  minViews: z.coerce.number().optional(),
  limit: z.coerce.number().int().min(1).max(100).default(20),
  after: z.string().optional(),
});
const Patch = z.object({
  version: z.number().int().optional(),
  set: z.object({ title: z.string().min(1).optional(), body: z.string().optional() }).optional(),
  addTag: z.string().optional(),
});

/** What each code of an error is over HTTP; all else is the service's own fault. */
const STATUS: ReadonlyMap<string, number> = new Map([
  ["FORMDB_INVALID_DOCUMENT", 400],
  ["FORMDB_INVALID_ID", 400],
  ["FORMDB_PARAMETER_MISMATCH", 400],
  ["FORMDB_NOT_FOUND", 404],
  ["FORMDB_CONFLICT", 409],
  ["FORMDB_DUPLICATE_ID", 409],
  ["FORMDB_QUEUE_FULL", 503],
  ["FORMDB_POOL_TIMEOUT", 503],
]);

export function service(db: FormDB): FastifyInstance {
  const notes = db.collection("notes", { schema: Note });
  const app = fastify();

  app.setErrorHandler((error, _request, reply) => {
    if (error instanceof z.ZodError)
      return reply.code(400).send({ error: "FORMDB_INVALID_DOCUMENT", issues: error.issues });
    if (!(error instanceof FormDBError)) return reply.code(500).send({ error: "INTERNAL" });
    return reply.code(STATUS.get(error.code) ?? 500).send({ error: error.code, message: error.message });
  });

  app.post("/notes", async (request, reply) => {
    const id = await notes.insert(Note.parse(request.body));
    return reply.code(201).send({ id });
  });

  app.get("/notes/:id", async (request, reply) => {
    const { id } = Id.parse(request.params);
    const found = await notes.get(id, { version: true });
    return found ?? reply.code(404).send({ error: "FORMDB_NOT_FOUND" });
  });

  app.patch("/notes/:id", async (request) => {
    const { id } = Id.parse(request.params);
    const { version, set = {}, addTag } = Patch.parse(request.body);
    const fields = Object.fromEntries(Object.entries(set).filter(([, value]) => value !== undefined));
    return notes.update(
      id,
      { set: fields, ...(addTag === undefined ? {} : { push: { tags: addTag } }) },
      { ifVersion: version },
    );
  });

  app.post("/notes/:id/views", async (request) =>
    notes.update(Id.parse(request.params).id, { inc: { views: 1 } }),
  );

  app.delete("/notes/:id", async (request, reply) => {
    const there = await notes.delete(Id.parse(request.params).id);
    return reply.code(there ? 204 : 404).send();
  });

  app.get("/notes", async (request) => {
    const { title, tag, minViews, limit, after } = Search.parse(request.query);
    const filter: Filter<Note> = {
      ...(title === undefined ? {} : { title: { contains: title } }),
      ...(tag === undefined ? {} : { tags: { contains: tag } }),
      ...(minViews === undefined ? {} : { views: { gte: minViews } }),
    };
    return notes
      .find(filter, { select: ["id", "title", "views"], orderBy: { views: "desc" }, limit, after })
      .page();
  });

  app.post("/notes/import", async (request) => notes.insertMany(z.array(Note).parse(request.body)));

  app.get("/metrics", async (_request, reply) =>
    reply.type(db.metrics.contentType()).send(db.metrics.exportPrometheus()),
  );

  app.get("/health", async () => {
    await notes.findOne();
    return { ok: true };
  });

  // Requests under way are answered first, then what is queued is written.
  app.addHook("onClose", async () => {
    await db.close();
  });
  return app;
}
