import { describe, expect, it } from "vitest";
import { type FormDB, open } from "../../src/index.ts";
import { failure } from "../support/failure.ts";
import { usePostgres } from "../support/hooks.ts";
import { postgresVersions } from "../support/postgres-server.ts";

// The grants are those of docs/engines.md.
describe.each(postgresVersions())("roles of PostgreSQL (%s)", (version) => {
  const server = usePostgres({ version });

  /** Opens the database of one collection, `users`, as a role that has these grants on it. */
  async function openAs(role: string, grants: Readonly<Record<string, string>>): Promise<FormDB> {
    const url = new URL(await server.createDatabase());
    await using owner = await open(url.href);
    await owner.insert("users", { id: "1", n: 1 });
    await server.query(`CREATE ROLE ${role} LOGIN PASSWORD 'of-the-role'`);
    for (const [table, rights] of Object.entries(grants))
      await owner.sql(`GRANT ${rights} ON ${table} TO ${role}`);
    url.username = role;
    url.password = "of-the-role";
    return open(url.href);
  }

  it("one that may select reads, and writes nothing", async () => {
    await using db = await openAs("reader", { users: "SELECT", formdb_indexes: "SELECT" });
    expect(await db.get("users", "1")).toEqual({ id: "1", n: 1 });
    expect((await db.query("SELECT COUNT(*) AS n FROM users WHERE n = 1")).rows).toEqual([{ n: 1 }]);
    expect(await db.check()).toMatchObject({ ok: true });
    const refused = { code: "FORMDB_UNSUPPORTED", message: expect.stringContaining("permission denied") };
    expect(await failure(db.insert("users", { id: "2" }))).toMatchObject({ ...refused, outcome: "rejected" });
    expect(await failure(db.insert("others", { id: "1" }))).toMatchObject(refused);
  });

  it("one that has the grants for writing writes in every way, and makes nothing", async () => {
    await using db = await openAs("writer", {
      users: "SELECT, INSERT, UPDATE, DELETE",
      formdb_indexes: "SELECT",
      formdb_batches: "SELECT, INSERT, DELETE",
    });
    expect(await db.insert("users", { id: "2", n: 2 })).toBe("2");
    await db.update("users", "2", { name: "Ada" });
    await db.collection("users").update("2", { inc: { n: 1 } });
    await db.transaction((tx) => tx.update("users", "2", { city: "Oslo" }));
    expect(await db.import("users", [{ id: "3" }])).toMatchObject({ successful: 1 });
    expect(await db.delete("users", "3")).toBe(true);
    expect(await db.get("users", "2")).toEqual({ id: "2", n: 3, name: "Ada", city: "Oslo" });
    expect(await failure(db.createIndex("users", "n"))).toMatchObject({ code: "FORMDB_UNSUPPORTED" });
    expect(await failure(db.insert("others", { id: "1" }))).toMatchObject({ code: "FORMDB_UNSUPPORTED" });
  });
});
