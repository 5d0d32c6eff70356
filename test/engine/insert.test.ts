import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type FormDB, type OpenOptions, open } from "../../src/index.ts";
import { useFolder, usePostgres } from "../support/hooks.ts";

const folder = useFolder();
const server = usePostgres();

describe.each(["SQLite", "PostgreSQL", "an engine that takes no change of the schema in a transaction"])(
  "INSERT of several documents on %s",
  (engine) => {
    async function urls(name: string): Promise<readonly [url: string, options: OpenOptions]> {
      if (engine === "SQLite") return [`sqlite:${join(folder, `${name}.db`)}`, {}];
      const profileOverrides = engine === "PostgreSQL" ? {} : { transactionalDdl: false };
      return [await server.createDatabase(), { postgres: { profileOverrides } }];
    }

    const count = async (db: FormDB): Promise<unknown> =>
      (await db.query("SELECT COUNT(*) AS n FROM c")).rows[0]!.n;

    it("makes the collection, and makes it again if another process has dropped it", async () => {
      const [url, options] = await urls("made");
      await using db = await open(url, options);
      await using other = await open(url, options);
      await db.query('INSERT INTO c {"id": "1"}, {"id": "2"}');
      expect(await count(other)).toBe(2);
      await other.dropCollection("c");
      await db.query('INSERT INTO c {"id": "1"}, {"id": "2"}, {"id": "3"}');
      expect(await count(db)).toBe(3);
    });

    it("does not make it for documents that can't be stored, nor where it may not", async () => {
      const [url, options] = await urls("not-made");
      await using db = await open(url, options);
      await expect(db.query("INSERT INTO c $1", [[{ id: "1" }, 5]])).rejects.toMatchObject({
        code: "FORMDB_INVALID_DOCUMENT",
        index: 1,
      });
      expect(await db.listCollections()).toEqual([]);
      await using strict = await open(url, { ...options, autoCreate: false });
      await expect(strict.query('INSERT INTO c {"id": "1"}, {"id": "2"}')).rejects.toMatchObject({
        code: "FORMDB_UNKNOWN_COLLECTION",
      });
    });

    it("ends with its caller's signal, and has then written nothing", async () => {
      const [url, options] = await urls("ended");
      await using db = await open(url, options);
      const text = 'INSERT INTO c {"id": "1"}, {"id": "2"}';
      await db.createCollection("c");
      const signal = AbortSignal.abort(new Error("enough"));
      await expect(db.query(text, [], { signal })).rejects.toMatchObject({ code: "FORMDB_ABORTED" });
      expect(await count(db)).toBe(0);
    });

    it("of many callers with some ids in common lets one of each two in, whole", async () => {
      const [url, options] = await urls("shared");
      await using db = await open(url, options);
      const callers = Array.from({ length: 12 }, (_, i) => {
        const ids = [`shared-${i >> 1}`, `own-${i}-a`, `own-${i}-b`];
        const documents = (i % 2 === 0 ? ids : ids.toReversed()).map((id) => ({ id, caller: i }));
        return db.query("INSERT INTO c $1", [documents]).then(
          () => i,
          (error: { code: string }) => error.code,
        );
      });
      const results = await Promise.all(callers);
      const inside = results.filter((result) => typeof result === "number");
      expect(inside).toHaveLength(6);
      expect(results.filter((result) => result === "FORMDB_DUPLICATE_ID")).toHaveLength(6);
      const { rows } = await db.query("SELECT caller, COUNT(*) AS n FROM c GROUP BY caller ORDER BY caller");
      expect(rows).toEqual(inside.map((caller) => ({ caller, n: 3 })));
    });
  },
);
