import * as v from "valibot";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { open } from "../../src/index.ts";
import { failure } from "../support/failure.ts";

const withZod = z.object({
  name: z.string().min(1),
  age: z.number().int().default(18),
  address: z.object({ city: z.string() }).optional(),
  tags: z.array(z.string()).optional(),
});
const withValibot = v.object({
  name: v.pipe(v.string(), v.minLength(1)),
  age: v.optional(v.pipe(v.number(), v.integer()), 18),
  address: v.optional(v.object({ city: v.string() })),
  tags: v.optional(v.array(v.string())),
});

describe.each([
  ["zod", withZod],
  ["valibot", withValibot],
])("A collection with a schema of %s", (_, schema) => {
  it("writes what the schema gives, and keeps the id", async () => {
    await using db = await open("sqlite::memory:");
    const users = db.collection("users", { schema });
    const written = { id: "1", name: "Ada", surplus: true } as unknown as { name: string; age: number };
    expect(await users.insert(written)).toBe("1");
    expect(await users.get("1")).toEqual({ id: "1", name: "Ada", age: 18 });
    await users.upsert({ ...written, age: 3 });
    await users.replace("1", { name: "Bob", age: 4 });
    expect(await users.get("1")).toEqual({ id: "1", name: "Bob", age: 4 });
  });

  it("refuses what the schema refuses before anything is sent, with its path", async () => {
    await using db = await open("sqlite::memory:");
    const users = db.collection("users", { schema });
    const bad = (document: object) => document as never;
    expect(await failure(users.insert(bad({ name: "", age: 1 })))).toMatchObject({
      code: "FORMDB_INVALID_DOCUMENT",
      path: "name",
      outcome: "rejected",
    });
    expect(await failure(users.upsert(bad({ name: "x", age: 1, address: { city: 5 } })))).toMatchObject({
      path: "address.city",
    });
    expect(await failure(users.replace("1", bad({ name: "x", age: 1.5 })))).toMatchObject({ path: "age" });
    const many = [{ name: "good", age: 1 }, bad({ name: "x", age: 1, tags: ["a", 5] })];
    expect(await failure(users.insertMany(many))).toMatchObject({ path: "[1].tags[1]" });
    expect(await users.count()).toBe(0);
    await db.transaction(async (tx) => {
      expect(await failure(tx.collection("users", { schema }).insert(bad({ age: 1 })))).toMatchObject({
        path: "name",
      });
    });
  });
});

it("what is no Standard Schema, and a misspelled option, are refused", async () => {
  await using db = await open("sqlite::memory:");
  expect(() => db.collection("users", { schema: { parse: () => 1 } as never })).toThrow(/Standard Schema/);
  expect(() => db.collection("users", { shema: withZod } as never)).toThrow(
    'collection() has no option "shema"; did you mean "schema"?',
  );
  expect(() => db.collection("users").find({}, { orderBy: ["age"] as never })).toThrow(
    `find()'s option orderBy must be an object of paths such as { age: "desc" }, not ["age"]`,
  );
});
