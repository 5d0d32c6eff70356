import { afterAll, beforeAll, expect, it } from "vitest";
import { type Collection, type FormDB, FormDBError } from "../../src/index.ts";
import { type OpenDatabase, onEveryEngine } from "../support/every-engine.ts";
import { failure } from "../support/failure.ts";

interface User {
  readonly name: string;
  readonly age: number;
  readonly city?: string | null;
  readonly tags?: readonly string[];
  readonly address?: { readonly city: string; readonly zip?: string };
  readonly n?: number;
  readonly at?: Date;
}

onEveryEngine(handles);

function handles(openDatabase: OpenDatabase): void {
  let db: FormDB;
  let collections = 0;
  beforeAll(async () => {
    db = await openDatabase();
  });
  afterAll(() => db?.close());

  const fresh = () => db.collection<User>(`users${++collections}`);
  const four: (User & { id: string })[] = [
    { id: "1", name: "Ada", age: 36, city: "London", tags: ["a", "b"] },
    { id: "2", name: "Bob", age: 30, city: null, address: { city: "Oslo" } },
    { id: "3", name: "Cleo", age: 25, tags: ["b"] },
    { id: "4", name: "Dan", age: 36, city: "Oslo", address: { city: "Bergen", zip: "5" } },
  ];

  it("finds documents by filters", async () => {
    const users = fresh();
    expect(await users.insertMany(four)).toMatchObject({ successful: 4, failed: 0 });
    const ids = async (filter: Parameters<typeof users.find>[0]) =>
      (await users.find(filter, { orderBy: { id: "asc" } }).toArray()).map(({ id }) => id).join("");
    expect(await ids({})).toBe("1234");
    expect(await ids({ age: 36 })).toBe("14");
    expect(await ids({ id: "2" })).toBe("2");
    expect(await ids({ age: { gt: 25, lt: 36 } })).toBe("2");
    expect(await ids({ age: { gte: 30, lte: 36 }, name: { ne: "Ada" } })).toBe("24");
    expect(await ids({ city: null })).toBe("23");
    expect(await ids({ city: { ne: null } })).toBe("14");
    expect(await ids({ city: { exists: true } })).toBe("14");
    expect(await ids({ city: { exists: false } })).toBe("23");
    expect(await ids({ city: { in: ["Oslo", null] } })).toBe("234");
    expect(await ids({ city: { notIn: ["Oslo", null] } })).toBe("1");
    expect(await ids({ not: { city: { notIn: ["Oslo", null] } } })).toBe("234");
    expect(await ids({ not: { city: { in: ["Oslo", null] } } })).toBe("1");
    expect(await ids({ age: { in: [] } })).toBe("");
    expect(await ids({ "address.city": "Oslo" })).toBe("2");
    expect(await ids({ address: { city: { like: "B%" }, zip: "5" } })).toBe("4");
    expect(await ids({ address: { eq: { city: "Oslo" } } })).toBe("2");
    expect(await ids({ tags: { contains: "b" } })).toBe("13");
    expect(await ids({ "tags[0]": "b" })).toBe("3");
    expect(await ids({ tags: ["b"] })).toBe("3");
    expect(await ids({ name: { between: ["Ada", "Bob"] } })).toBe("12");
    expect(await ids({ or: [{ age: 25 }, { name: "Ada", age: 36 }] })).toBe("13");
    expect(await ids({ age: { or: [{ lt: 26 }, { gt: 35 }] }, not: { tags: { contains: "a" } } })).toBe("3");
    expect(await ids({ and: [{ age: 36 }, { not: { city: "Oslo" } }] })).toBe("1");
    expect(await users.count({ age: 36 })).toBe(2);
    expect(await users.findOne({ age: { gt: 30 } }, { orderBy: { name: "desc" } })).toMatchObject({
      id: "4",
    });
    expect(
      await users
        .find({ age: 36 }, { select: ["name", "address.city", "city"], orderBy: { name: "asc" } })
        .toArray(),
    ).toEqual([
      { name: "Ada", "address.city": null, city: "London" },
      { name: "Dan", "address.city": "Bergen", city: "Oslo" },
    ]);
    const streamed: string[] = [];
    for await (const { name } of users.find(
      {},
      { orderBy: { age: "desc", name: "asc" }, limit: 3, offset: 1 },
    ))
      streamed.push(name);
    expect(streamed).toEqual(["Dan", "Bob", "Cleo"]);
  });

  it("takes the plan of the same query as text", async () => {
    const users = fresh();
    await users.insertMany(four);
    await db.query(
      `SELECT name, age FROM ${users.name} WHERE age > 29 AND (city = 'x' OR tags CONTAINS 'b') ORDER BY age DESC, name LIMIT 3`,
    );
    const { size } = db.cache.stats();
    const found = users.find(
      { age: { gt: 1 }, or: [{ city: "y" }, { tags: { contains: "b" } }] },
      { select: ["name", "age"], orderBy: { age: "desc", name: "asc" }, limit: 5 },
    );
    expect((await found.explain()).cache).toBe("hit");
    expect((await found.toArray()).map(({ name }) => name)).toEqual(["Ada", "Cleo"]);
    expect(db.cache.stats().size).toBe(size);
  });

  it("a find is no JSON: its rows are", async () => {
    const users = fresh();
    await users.insertMany(four);
    expect(() => JSON.stringify({ rows: users.find({}) })).toThrow("await its toArray(), first() or page()");
    expect(JSON.parse(JSON.stringify(await users.find({ age: 36 }).toArray()))).not.toEqual([]);
  });

  it("refuses to insert many that come in no array", async () => {
    const call = fresh().insertMany({ name: "Ada" } as never);
    expect((await failure(call)).message).toMatch(
      /must come in an array or another iterable, not {"name":"Ada"}/,
    );
  });

  it("makes no unique index over values that are equal, and says so", async () => {
    const users = fresh();
    await users.insertMany(four);
    const error = await failure(users.createIndex("age", { unique: true }));
    expect(error.message).toBe(
      `Making the index failed: values in the unique index by_age of ${users.name} must differ between documents`,
    );
    expect(await db.listIndexes(users.name)).toEqual([]);
  });

  it("says what an index is whose name is taken", async () => {
    const users = fresh();
    await users.insertMany(four);
    await users.createIndex("age");
    const { message } = await failure(users.createIndex("age", { unique: true }));
    expect(message).toContain('already has an index "by_age" with another definition: over age, not unique');
    expect((await failure(users.createIndex("LOWER(name" as never))).code).toBe("FORMDB_CONFIG");
  });

  it("refuses filters that mean nothing", async () => {
    const users = fresh();
    const refuse = async (filter: unknown) => (await failure(users.find(filter as never).toArray())).code;
    expect(await refuse({ age: undefined })).toBe("FORMDB_SYNTAX");
    expect(await refuse({ or: [] })).toBe("FORMDB_SYNTAX");
    expect(await refuse({ or: [{}] })).toBe("FORMDB_SYNTAX");
    expect(await refuse({ not: {} })).toBe("FORMDB_SYNTAX");
    expect(await refuse({ age: {} })).toBe("FORMDB_SYNTAX");
    expect(await refuse({ age: { $gt: 3 } })).toBe("FORMDB_SYNTAX");
    expect(await refuse({ $or: [{ age: 3 }] })).toBe("FORMDB_SYNTAX");
    expect(await refuse({ or: [{ $and: [{ age: 3 }] }] })).toBe("FORMDB_SYNTAX");
    expect(await refuse({ age: { gt: 3, lessThan: 5 } })).toBe("FORMDB_SYNTAX");
    expect(await refuse({ not: { name: { lik: "A%", like: "B%" } } })).toBe("FORMDB_SYNTAX");
    expect(await users.find({ age: { exists: true, years: 3 } } as never).toArray()).toEqual([]);
    expect(await users.find({ $ref: 1 } as never).toArray()).toEqual([]);
    expect(await refuse({ "LOWER(name)": "ada" })).toBe("FORMDB_CONFIG");
    expect(await refuse("age")).toBe("FORMDB_SYNTAX");
    expect(await refuse({ age: { gt: Number.NaN } })).toBe("FORMDB_PARAMETER_MISMATCH");
    expect(await refuse({ "a..b": 1 })).toBe("FORMDB_CONFIG");
    const round: Record<string, unknown> = {};
    round.a = round;
    expect(await refuse(round)).toBe("FORMDB_SYNTAX");
  });

  it("refuses filters with the place behind what must hold", async () => {
    const users = fresh();
    const message = async (filter: unknown) => (await failure(users.find(filter as never).toArray())).message;
    expect(await message({ age: { between: 5 } })).toMatch(/two values, not 5 \(at age\)$/);
    expect(await message({ address: { city: undefined } })).toMatch(/compare with null \(at address\)$/);
  });

  it("refuses cursors of other queries", async () => {
    const users = fresh();
    await users.insertMany(four);
    const { next } = await users.find({ age: { gt: 1 } }, { limit: 2, orderBy: { age: "asc" } }).page();
    const again = async (filter: object, options: object) =>
      (await failure(users.find(filter, { limit: 2, after: next, ...options }).page())).code;
    expect(await again({ age: { gt: 1 } }, { orderBy: { age: "desc" } })).toBe("FORMDB_PARAMETER_MISMATCH");
    expect(await again({ age: { lt: 1 } }, { orderBy: { age: "asc" } })).toBe("FORMDB_PARAMETER_MISMATCH");
    expect(await again({ age: { gt: 1 } }, { orderBy: { age: "asc" }, after: "x" })).toBe(
      "FORMDB_PARAMETER_MISMATCH",
    );
    const rest = await users
      .find({ age: { gt: 5 } }, { limit: 9, orderBy: { age: "asc" }, after: next })
      .page();
    expect(rest.rows.map(({ id }) => id)).toEqual(["1", "4"]);
  });

  it("changes documents by path, in one statement", async () => {
    const users = fresh();
    await users.insert({
      id: "1",
      name: "Ada",
      age: 36,
      tags: ["a", "b", "a"],
      address: { city: "x", zip: "1" },
    });
    expect(
      await users.update("1", {
        set: { "address.city": "Oslo", city: null },
        inc: { age: 1, n: -2.5 },
        push: { tags: "c" },
        unset: ["address.zip"],
      }),
    ).toEqual({ version: 2 });
    expect(await users.get("1", { version: true })).toEqual({
      version: 2,
      document: {
        id: "1",
        name: "Ada",
        age: 37,
        n: -2.5,
        tags: ["a", "b", "a", "c"],
        city: null,
        address: { city: "Oslo" },
      },
    });
    await users.update("1", { pull: { tags: "a" } });
    expect((await users.get("1"))?.tags).toEqual(["b", "c"]);
    await users.update("1", { unset: ["tags", "at"] });
    await users.update("1", { pull: { tags: "a" } });
    expect(await users.get("1")).not.toHaveProperty("tags");
    await users.update("1", { push: { tags: "z" } });
    expect((await users.get("1"))?.tags).toEqual(["z"]);
    const loose = db.collection(users.name);
    const things = [1, "1", true, false, null, [1], { a: 1, b: 2 }, 'e"\\x'];
    for (const thing of things) {
      await loose.update("1", { set: { things } });
      await loose.update("1", { pull: { things: thing } });
      expect((await loose.get("1"))?.things).toEqual(things.filter((other) => other !== thing));
    }
    await loose.update("1", { pull: { things: { b: 2, a: 1 } } });
    expect((await loose.get("1"))?.things).toEqual(things.slice(0, -2));
  });

  it("removes the elements that a change names of the array as it was", async () => {
    const things = fresh() as unknown as Collection;
    const table = [{ of: ["a", "b"] }, { of: ["c"] }, { of: ["d", "e", "f"] }];
    for (const way of [(paths: string[]) => paths, (paths: string[]) => paths.toReversed()]) {
      await things.upsert({ id: "1", list: ["a", "b", "c", "d"], table });
      const unset = way(["list[0]", "list[1]", "list[3]", "table[1]", "table[2].of[0]", "table[2].of[1]"]);
      await things.update("1", { unset, set: { "list[5]": "f" } });
      expect(await things.get("1")).toEqual({
        id: "1",
        list: ["c", null, "f"],
        table: [{ of: ["a", "b"] }, { of: ["f"] }],
      });
    }
  });

  it("adds to numbers as JavaScript does, beyond 2^53 too", async () => {
    const things = fresh() as unknown as Collection;
    const edge = 2 ** 53;
    const sums: readonly (readonly [number | null, number])[] = [
      [edge, 1],
      [-edge, -1],
      [edge - 1, 2],
      [1e16, 1],
      [2 ** 60, 0.5],
      [2 ** 60, 128],
      [2 ** 60, -(2 ** 60 - 1_024)],
      [1_024 - 2 ** 63, -808],
      [2 ** 62, 2 ** 62],
      [0.1, 0.2],
      [1e300, 1],
      [9e22, 1e22],
      [-9e22, -1e22],
      [2 ** 54, 8],
      [2 ** 60, 2 ** 59],
      [123_456_789e20, 1e20],
      [null, 1e23],
      [null, 2 ** 60],
      [36, 1],
    ];
    for (const [n, by] of sums) {
      await things.upsert({ id: "1", n });
      await things.update("1", { inc: { n: by } });
      const sum = (n ?? 0) + by;
      expect(await things.get("1")).toEqual({ id: "1", n: sum });
      const found = { n: sum };
      expect(await things.find(found, { select: ["id"] }).toArray(), `${n} + ${by}`).toEqual([{ id: "1" }]);
      await things.upsert({ id: "1", n: n ?? 0 });
      await db.query(`UPDATE ${things.name} SET n = n + $1`, [by]);
      expect(await things.find(found, { select: ["id"] }).toArray(), `SET ${n} + ${by}`).toEqual([
        { id: "1" },
      ]);
    }
  });

  it("finds the results of arithmetic by the numbers that they are", async () => {
    const things = fresh() as unknown as Collection;
    await things.insert({ id: "1" });
    for (const [n, factor] of [
      [1e22, 10],
      [1_801_439_850_948_199, 10],
      [-6e15, 3],
      [7e30, 3],
    ] as const) {
      await db.query(`UPDATE ${things.name} SET n = $1`, [n]);
      await db.query(`UPDATE ${things.name} SET n = n * $1, m = n / $2`, [factor, 1 / factor]);
      expect(await things.find({ n: n * factor, m: n / (1 / factor) }).toArray(), String(n)).toHaveLength(1);
    }
  });

  it("adds up to the greatest number, and not beyond", async () => {
    const things = fresh() as unknown as Collection;
    const greatest = Number.MAX_VALUE;
    for (const [n, by] of [
      [greatest, 1],
      [greatest, 0],
      [greatest, 9e291],
      [greatest / 2, greatest / 2],
      [-greatest, -5e-324],
      [greatest, 1e292],
      [-greatest, -1e300],
      [1.7e308, 1e307],
    ] as const) {
      await things.upsert({ id: "1", n });
      const made = await things.update("1", { inc: { n: by } }).catch(({ code }: FormDBError) => code);
      const isNumber = Number.isFinite(n + by);
      expect(made, `${n} + ${by}`).toEqual(isNumber ? { version: expect.any(Number) } : "FORMDB_CONSTRAINT");
      expect(await things.get("1")).toEqual({ id: "1", n: isNumber ? n + by : n });
    }
  });

  it("refuses changes that a document or their own places forbid", async () => {
    const users = fresh();
    await users.insert({ id: "1", name: "Ada", age: 36 });
    const loose = db.collection(users.name);
    const refuse = async (changes: object) => (await failure(loose.update("1", changes))).code;
    expect(await refuse({ inc: { name: 1 } })).toBe("FORMDB_CONSTRAINT");
    expect(await refuse({ push: { age: 1 } })).toBe("FORMDB_CONSTRAINT");
    expect(await refuse({ unset: ["age.x"] })).toBe("FORMDB_CONSTRAINT");
    expect(await refuse({ inc: { age: 1 }, set: { age: 2 } })).toBe("FORMDB_SYNTAX");
    expect(await refuse({ set: { a: 1, "a.b": 2 } })).toBe("FORMDB_SYNTAX");
    for (const at of ["x", "age"]) {
      expect(await refuse({ set: { [`${at}[0]`]: 1 }, unset: [`${at}.b`] })).toBe("FORMDB_SYNTAX");
      expect(await refuse({ set: { [`${at}.0`]: 1 }, unset: [`${at}[0]`] })).toBe("FORMDB_SYNTAX");
      expect(await refuse({ push: { [`${at}.b`]: 1 }, pull: { [`${at}[0]`]: 1 } })).toBe("FORMDB_SYNTAX");
      expect(await refuse({ set: { [`${at}.b`]: 1, [`${at}[0]`]: 1 } })).toBe("FORMDB_SYNTAX");
    }
    expect(await refuse({ set: { id: "2" } })).toBe("FORMDB_SYNTAX");
    expect(await refuse({})).toBe("FORMDB_CONFIG");
    expect(await refuse({ $set: { a: 1 } })).toBe("FORMDB_CONFIG");
    await loose.update("1", { set: { big: 1.7e308 } });
    expect(await refuse({ inc: { big: 1.7e308 } })).toBe("FORMDB_CONSTRAINT");
    expect(await loose.get("1")).toEqual({ id: "1", name: "Ada", age: 36, big: 1.7e308 });
  });

  it("makes no document deeper than one may be, by what is set to another path", async () => {
    const things = fresh() as unknown as Collection;
    const deep = (levels: number, inmost: object): object =>
      levels === 1 ? inmost : { a: deep(levels - 1, inmost) };
    const set = (text: string) => db.query(`UPDATE ${things.name} SET ${text} WHERE id = '1'`);
    for (const [levels, inmost] of [
      [489, {}],
      [487, { "[": ["{", "\\"], "{": [[]] }],
    ] as const) {
      const x = deep(levels, inmost);
      await things.upsert({ id: "1", x });
      await set("a.b.c.d.e.f.g.h.i.j.k = x, z = x, x = 1");
      expect((await things.get("1"))?.z).toEqual(x);
      await things.upsert({ id: "1", x });
      const error = await failure(set("a.b.c.d.e.f.g.h.i.j.k.l = x"));
      expect(error).toMatchObject({
        code: "FORMDB_CONSTRAINT",
        path: "a.b.c.d.e.f.g.h.i.j.k.l",
        outcome: "rejected",
      });
      expect(error.message).toContain("500 levels");
      expect(await things.get("1")).toEqual({ id: "1", x });
    }
    await things.upsert({ id: "1", a: "[".repeat(2_000) });
    await set("a.b = a");
    expect(await things.get("1")).toEqual({ id: "1", a: { b: "[".repeat(2_000) } });
    await things.upsert({ id: "1", a: Array(2_000).fill([]) });
    await set("a.b = a");
    expect(await things.get("1")).toEqual({ id: "1", a: { b: Array(2_000).fill([]) } });
  });

  it("fails at arithmetic on what is no number, and changes no document", async () => {
    const users = fresh();
    const stored = [
      { id: "1", n: 1, deep: [{ "it's": 2 }] },
      { id: "2", n: "it's 5", deep: [{ "it's": true }] },
      { id: "3", n: null, none: 1 },
    ];
    const loose = db.collection(users.name);
    await loose.insertMany(stored);
    const fail = async (set: string, parameters: unknown[] = []) => {
      const error = await failure(db.query(`UPDATE ${users.name} SET ${set}`, parameters));
      expect(await loose.find({}, { orderBy: { id: "asc" } }).toArray()).toEqual(stored);
      return error;
    };
    const error = await fail("n = n + 1, touched = TRUE");
    expect(error).toMatchObject({ code: "FORMDB_CONSTRAINT", path: "n", outcome: "rejected" });
    expect(error.retryable).toBe(false);
    expect(error.message).toContain('n must hold a number for arithmetic, or nothing, not "it\'s 5"');
    expect(await fail("m = 2 * (deep[0].`it's` - 1)")).toMatchObject({
      code: "FORMDB_CONSTRAINT",
      path: "deep[0].it's",
      message: expect.stringContaining("not true"),
    });
    expect(await fail("m = deep / 2")).toMatchObject({ code: "FORMDB_CONSTRAINT", path: "deep" });
    expect(await fail("m = id + 1")).toMatchObject({ code: "FORMDB_CONSTRAINT", path: "id" });
    expect((await fail("n = $1 + 1 WHERE id = 'nowhere'", ["7"])).code).toBe("FORMDB_PARAMETER_MISMATCH");
    expect((await fail("n = 1 - '7'")).code).toBe("FORMDB_PARAMETER_MISMATCH");
    const inside = db.transaction((tx) => tx.query(`UPDATE ${users.name} SET n = n + 1`));
    expect(await failure(inside)).toMatchObject({ code: "FORMDB_CONSTRAINT", path: "n" });
    await db.query(`UPDATE ${users.name} SET n = n + 1, made = none + $1 WHERE id != '2'`, [null]);
    expect(
      await loose.find({ id: { ne: "2" } }, { select: ["n", "made"], orderBy: { id: "asc" } }).toArray(),
    ).toEqual([
      { n: 2, made: null },
      { n: null, made: null },
    ]);
  });

  it.each(["SET n = n + 1", "ifVersion"])(
    "loses no increment of 50 callers, by %s",
    async (way) => {
      const users = fresh();
      await users.insert({ id: "1", name: "Ada", age: 0 });
      const increment = async (): Promise<unknown> => {
        if (way === "SET n = n + 1") return db.query(`UPDATE ${users.name} SET age = age + 1 WHERE id = '1'`);
        for (;;) {
          const found = await users.get("1", { version: true });
          try {
            return await users.update(
              "1",
              { set: { age: found!.document.age + 1 } },
              { ifVersion: found!.version },
            );
          } catch (error) {
            if (!(error instanceof FormDBError) || error.code !== "FORMDB_CONFLICT") throw error;
          }
        }
      };
      await Promise.all(Array.from({ length: 50 }, increment));
      expect((await users.get("1"))?.age).toBe(50);
    },
    60_000,
  );

  it.each(["a\0b", "a\ud800b"])("refuses a path that no document can have: %j", async (name) => {
    const users = fresh() as unknown as Collection;
    await users.insert({ id: "1" });
    const calls: (() => unknown)[] = [
      () => users.find({ [name]: 1 }).toArray(),
      () => users.find({}, { orderBy: { [name]: "asc" } }).toArray(),
      () => users.find({}, { select: [name] }).toArray(),
      () => users.count({ [name]: { exists: true } }),
      () => users.update("1", { set: { [name]: 1 } }),
      () => users.update("1", { unset: [name] }),
      () => users.createIndex(name),
    ];
    for (const call of calls) {
      expect(await failure((async () => call())())).toMatchObject({
        code: "FORMDB_CONFIG",
        message: expect.stringContaining("well-formed Unicode without U+0000"),
      });
    }
    expect(await users.get("1", { version: true })).toEqual({ document: { id: "1" }, version: 1 });
  });

  it("is part of a transaction through its own handle", async () => {
    const users = fresh();
    await users.insert({ id: "0", name: "Zoe", age: 1 });
    const undone = db.transaction(async (tx) => {
      const inside = tx.collection<User>(users.name);
      await inside.insertMany(four);
      expect(await inside.count()).toBe(5);
      expect(
        await inside.find({ age: 36 }, { select: ["name"], orderBy: { name: "asc" }, limit: 1 }).toArray(),
      ).toEqual([{ name: "Ada" }]);
      await inside.update("1", { inc: { age: 1 } });
      expect(await inside.get("1", { version: true })).toMatchObject({ version: 2, document: { age: 37 } });
      expect(await inside.delete("2", { ifVersion: 1 })).toBe(true);
      throw new Error("undo");
    });
    await expect(undone).rejects.toThrow("undo");
    expect(await users.find().toArray()).toEqual([{ id: "0", name: "Zoe", age: 1 }]);
  });
}
