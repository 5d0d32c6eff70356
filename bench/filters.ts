/** A find by a filter against `query` of the same shape, both with a cached plan, on SQLite in memory. */
import { open } from "./harness/built.ts";
import { compare } from "./harness/compare.ts";
import { report } from "./harness/report.ts";

await using db = await open("sqlite::memory:");
const users = db.collection<{ age: number; city: string; name: string }>("users");
await users.insertMany(
  Array.from({ length: 2_000 }, (_, i) => ({ id: `u${i}`, age: i % 500, city: `c${i % 40}`, name: `n${i}` })),
);
await users.createIndex("age");

let n = 0;
const next = (): number => n++ % 500;
report(
  "find with a filter and a limit",
  await compare([
    {
      name: "find",
      operations: 1,
      run: async () => {
        await users.find({ age: { gte: next() }, city: { ne: "c3" } }, { limit: 5 }).toArray();
      },
    },
    {
      name: "query, values in its text",
      operations: 1,
      run: async () => {
        await db.query(`SELECT * FROM users WHERE age >= ${next()} AND city != 'c3' LIMIT 5`);
      },
    },
    {
      name: "query, values as parameters",
      operations: 1,
      run: async () => {
        await db.query("SELECT * FROM users WHERE age >= $1 AND city != $2 LIMIT 5", [next(), "c3"]);
      },
    },
  ]),
);
report(
  "find of one document by its id",
  await compare([
    {
      name: "find",
      operations: 1,
      run: async () => {
        await users.findOne({ id: `u${next()}` });
      },
    },
    {
      name: "query",
      operations: 1,
      run: async () => {
        await db.query("SELECT * FROM users WHERE id = $1 LIMIT 1", [`u${next()}`]);
      },
    },
  ]),
);
