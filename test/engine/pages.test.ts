import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FormDB } from "../../src/index.ts";
import { type OpenDatabase, onEveryEngine } from "../support/every-engine.ts";
import { failure } from "../support/failure.ts";
import { Random } from "../support/random.ts";

const ROUNDS = Number(process.env.FORMDB_SOAK_ROUNDS ?? 25);

/** Values by type: pages begin at one, and what is of another type is on either side of it. */
const VALUES: readonly (readonly unknown[])[] = [
  [undefined, null],
  [false, true],
  [-1e300, -1, -0.5, 0, 0.5, 1, 2, 7, 7, 1e300],
  ["", "A", "Z", "[", "[0]", "\\", "a", "b", "b", "{", "|", "é", "😀"],
  ["x".repeat(64), `${"x".repeat(64)}a`, `${"x".repeat(64)}b`],
  [[], [1], ["a"]],
  [{}, { x: 1 }],
];
const ORDERS: readonly Record<string, "asc" | "desc">[] = [
  {},
  { id: "desc" },
  { v: "asc" },
  { v: "desc" },
  { v: "asc", w: "desc" },
  { v: "desc", w: "asc" },
  { v: "desc", id: "desc" },
];

describe("Pages", () => onEveryEngine(pagesOf));

function pagesOf(openDatabase: OpenDatabase): void {
  let db: FormDB;
  beforeAll(async () => {
    db = await openDatabase();
  });
  afterAll(() => db?.close());

  it.each([true, false])("have all rows in their order (an index: %s)", async (isIndexed) => {
    const random = new Random(isIndexed ? 3 : 4);
    for (let round = 0; round < ROUNDS; round++) {
      const name = `pages${isIndexed ? "i" : ""}${round}`;
      const types = random.some(1, 3, () => random.pick(VALUES));
      const values = random.some(1, 30, () => random.pick(random.pick(types)));
      const documents = values.map((v, i) => ({
        id: `d${(i * 7) % 31}-${i}`,
        v,
        w: random.pick([0, 1, 2, undefined]),
      }));
      await db.batchInsert(name, documents);
      if (isIndexed) await db.createIndex(name, "v");
      for (const orderBy of ORDERS) {
        const filter = random.below(3) === 0 ? { w: { lt: 2 } } : {};
        const select = random.below(3) === 0 ? ["w"] : undefined;
        const limit = 1 + random.below(6);
        const found = (options: object) => db.collection(name).find(filter, { select, ...options } as never);
        const whole = await found({ orderBy: { ...orderBy, id: orderBy.id ?? "asc" } }).toArray();
        const seen: unknown[] = [];
        let pages = 0;
        let after: string | undefined;
        do {
          const { rows, next } = await found({ orderBy, limit, after }).page();
          seen.push(...rows);
          pages++;
          after = next;
        } while (after !== undefined && seen.length <= whole.length);
        const about = { round, orderBy, filter, select, values, limit };
        expect({ ...about, rows: seen }).toEqual({ ...about, rows: whole });
        expect(pages).toBe(Math.max(1, Math.ceil(whole.length / limit)));
      }
    }
  });

  it.each(['{"toString":1}', "7", "1e999", '"a\\u0000"', '"\\ud800"', "[1]"])(
    "refuse an after that was changed to hold %s",
    async (value) => {
      const many = db.collection<{ id: string; v: number }>("changed");
      await many.upsert({ id: "1", v: 1 });
      await many.upsert({ id: "2", v: 2 });
      const changed = (next: string | undefined, place: number): string => {
        const parts = JSON.parse(Buffer.from(next!, "base64url").toString()) as unknown[];
        const texts = parts.map((part, i) => (i === place ? value : JSON.stringify(part)));
        return Buffer.from(`[${texts.join()}]`).toString("base64url");
      };
      const refused = { code: "FORMDB_PARAMETER_MISMATCH", parameter: "after" };
      const { next } = await many.find({}, { limit: 1 }).page();
      const ofId = many.find({}, { limit: 1, after: changed(next, 1) });
      expect(await failure(ofId.page())).toMatchObject(refused);
      if (value === "7") return;
      const ordered = { limit: 1, orderBy: { v: "asc" } } as const;
      const page = await many.find({}, ordered).page();
      const ofPath = many.find({}, { ...ordered, after: changed(page.next, 1) });
      expect(await failure(ofPath.page())).toMatchObject(refused);
    },
  );

  it("go on where the order is by what no id has", async () => {
    const name = "ofIds";
    await db.batchInsert(name, [{ id: "1" }, { id: "2" }, { id: "3" }]);
    for (const path of ["id.x", "id[0]"]) {
      const options = { orderBy: { [path]: "asc" }, limit: 2 } as const;
      const { next } = await db.collection(name).find({}, options).page();
      const { rows } = await db
        .collection(name)
        .find({}, { ...options, after: next })
        .page();
      expect(rows).toEqual([{ id: "3" }]);
    }
  });

  it.each([
    ["in a list", (i: number) => `n NOT IN (${i}, 'x', TRUE, [1])`],
    ["of elements", (i: number) => `NOT tags[*] = ${i}`],
    ["of a text or an array", (i: number) => `(tags CONTAINS ${i} OR n < 9)`],
  ])("have an order by one path beside any number of conditions: %s", async (_, condition) => {
    const name = `conditions${condition(1).length}`;
    await db.batchInsert(
      name,
      [3, 1, 2].map((n) => ({ id: `${n}`, n, tags: [n] })),
    );
    for (const isIndexed of [false, true]) {
      if (isIndexed) for (const path of ["n", "tags[*]"]) await db.createIndex(name, path);
      for (const count of [20, 150, 300, 480]) {
        const where = Array.from({ length: count }, (_, i) => condition(i + 10)).join(" AND ");
        const { rows } = await db.query(`SELECT n FROM ${name} WHERE ${where} ORDER BY n DESC LIMIT 2`);
        expect(rows, `${count}`).toEqual([{ n: 3 }, { n: 2 }]);
      }
    }
  });

  it("may have as many rows as can be counted", async () => {
    const name = "all";
    await db.batchInsert(name, [{ id: "1" }, { id: "2" }]);
    const page = await db.collection(name).find({}, { limit: Number.MAX_SAFE_INTEGER }).page();
    expect(page).toEqual({ rows: [{ id: "1" }, { id: "2" }], next: undefined });
  });

  it.each([[{ n: "asc" }], [{ n: "desc" }], [{ name: "asc" }], [{ name: "desc" }]] as const)(
    "begin in the index at the place where the last one ended: %j",
    async (orderBy) => {
      const users = db.collection<{ id: string; n: number; name: string }>("many");
      if ((await users.count()) === 0) {
        await users.insertMany(
          Array.from({ length: 3_000 }, (_, n) => ({ id: `u${n}`, n, name: `name ${n}` })),
        );
        await users.createIndex("n");
        await users.createIndex("name");
        if (db.stats().profile === "postgres") await db.sql("ANALYZE many");
      }
      const { next } = await users.find({}, { orderBy, limit: 10 }).page();
      const text = JSON.stringify(await users.find({}, { orderBy, limit: 11, after: next }).explain());
      const operator = "n" in orderBy ? orderBy.n : orderBy.name;
      const sign = operator === "asc" ? ">" : "<";
      if (db.stats().profile === "postgres") expect(text).toContain(`${sign}= ROW(`);
      else expect(text).toMatch(new RegExp(`SEARCH many USING INDEX [^ ]+ \\(<expr>${sign}\\?\\)`));
    },
  );
}
