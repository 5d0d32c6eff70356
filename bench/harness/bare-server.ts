// A Fastify server over better-sqlite3 as one writes it by hand: a handler for each of three requests, and nothing else.
import Database from "better-sqlite3";
import { fastify } from "fastify";

const database = new Database(process.argv[2]!);
database.pragma("journal_mode = WAL");
database.pragma("synchronous = FULL");
database.exec("CREATE TABLE IF NOT EXISTS users (id TEXT NOT NULL PRIMARY KEY, doc TEXT NOT NULL)");
database.exec("CREATE INDEX IF NOT EXISTS by_city ON users (doc ->> '$.address.city')");
const select = database.prepare<[string], { doc: string }>("SELECT doc FROM users WHERE id = ?");
const insert = database.prepare("INSERT INTO users VALUES (?, ?)");
const byCity = database.prepare<[unknown], { name: string; age: number }>(
  "SELECT doc ->> '$.name' AS name, doc ->> '$.age' AS age FROM users WHERE doc ->> '$.address.city' = ? LIMIT 20",
);

const app = fastify();
app.get<{ Params: { id: string } }>("/v1/collections/users/documents/:id", async ({ params }, reply) => {
  const row = select.get(params.id);
  return row === undefined ? reply.code(404).send() : JSON.parse(row.doc);
});
app.post<{ Body: { id: string } }>("/v1/collections/users/documents", async ({ body }, reply) => {
  insert.run(body.id, JSON.stringify(body));
  return reply.code(201).send({ id: body.id });
});
app.post<{ Body: { params: unknown[] } }>("/v1/query", async ({ body }) => {
  const rows = byCity.all(body.params[0]);
  return { rows, rowCount: rows.length };
});
console.log(`Serving at ${await app.listen({ host: "127.0.0.1", port: 0 })}`);
