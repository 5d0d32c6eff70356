/**
 * Documents in, queries out. In a program of your own the database is
 * a file: "sqlite:app.db", or "postgres://…".
 */
import { open } from "@formdb/perf";

const db = await open("sqlite::memory:");

await db.batchInsert("users", [
  { id: "1", name: "Ada", age: 36, tags: ["maths", "engines"] },
  { id: "2", name: "Grace", age: 45, tags: ["compilers"] },
  { id: "3", name: "Linus", age: 28 },
]);
await db.createIndex("users", "age");

const { rows } = await db.query("SELECT name, age FROM users WHERE age > $1 ORDER BY age DESC", [30]);
console.log(rows);

await db.update("users", "1", { age: 37, tags: null });
console.log(await db.get("users", "1"));

for await (const user of db.stream("SELECT name FROM users WHERE tags CONTAINS :tag", { tag: "compilers" })) {
  console.log(user);
}

await db.close();
