import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, vi } from "vitest";
import { service } from "../../examples/service/service.ts";
import { open } from "../../src/index.ts";
import { Child } from "../support/child-process.ts";
import { useFolder, usePostgres } from "../support/hooks.ts";
import { freePort } from "../support/postgres-server.ts";

const folder = fileURLToPath(new URL("../../examples/service/", import.meta.url));

describe("the example of a service", () => {
  const directory = useFolder();
  const server = usePostgres();

  it.each(["SQLite", "PostgreSQL"])("keeps notes on %s", async (engine) => {
    const db = await open(engine === "SQLite" ? "sqlite::memory:" : server.url);
    const app = service(db);
    const send = async (method: "GET" | "POST" | "PATCH" | "DELETE", url: string, payload?: object) => {
      const answer = await app.inject({ method, url, ...(payload && { payload }) });
      return { status: answer.statusCode, body: answer.body === "" ? undefined : answer.json() };
    };
    const { status, body } = await send("POST", "/notes", { title: "First" });
    expect(status).toBe(201);
    const url = `/notes/${body.id}`;
    expect(await send("GET", url)).toEqual({
      status: 200,
      body: { version: 1, document: { id: body.id, title: "First", body: "", tags: [], views: 0 } },
    });
    expect(await send("POST", "/notes", { title: "" })).toMatchObject({ status: 400 });
    expect(await send("PATCH", url, { version: 1, set: { title: "Changed" }, addTag: "a" })).toMatchObject({
      body: { version: 2 },
    });
    expect(await send("PATCH", url, { version: 1, set: { title: "Late" } })).toMatchObject({ status: 409 });
    await Promise.all(Array.from({ length: 20 }, () => send("POST", `${url}/views`)));
    const many = Array.from({ length: 45 }, (_, i) => ({ title: `note ${i}`, tags: i % 2 ? ["odd"] : [] }));
    expect(await send("POST", "/notes/import", many)).toMatchObject({ body: { successful: 45, failed: 0 } });
    expect(await send("GET", "/notes?title=Chan&minViews=20")).toMatchObject({
      body: { rows: [{ id: body.id, title: "Changed", views: 20 }] },
    });
    const seen = new Set<string>();
    for (let after = ""; ; ) {
      const page = await send("GET", `/notes?tag=odd&limit=10${after}`);
      for (const { id } of page.body.rows) seen.add(id);
      if (page.body.next === undefined) break;
      after = `&after=${page.body.next}`;
    }
    expect(seen.size).toBe(22);
    expect(await send("GET", "/notes?after=x")).toMatchObject({ status: 400 });
    expect((await send("DELETE", url)).status).toBe(204);
    expect((await send("GET", url)).status).toBe(404);
    expect(await send("GET", "/health")).toEqual({ status: 200, body: { ok: true } });
    expect((await app.inject("/metrics")).body).toContain("formdb_errors_by_code_total");
    await app.close();
    expect(db.closed).toBe(true);
  });

  it("has no cast and puts no query together", async () => {
    const text = await readFile(join(folder, "service.ts"), "utf8");
    expect(text).not.toMatch(/\bas (?!z\b)|SELECT|<any>|: any\b/);
  });

  it("keeps what it has answered when it is told to end", async () => {
    const url = `sqlite:${join(directory, "notes.db")}`;
    const port = await freePort();
    const program = join(folder, "main.ts");
    const child = new Child(["--conditions=@formdb/source", program], { FORMDB_URL: url, PORT: `${port}` });
    const at = `http://localhost:${port}`;
    await vi.waitFor(() => fetch(`${at}/health`), { timeout: 20_000 });
    const answer = await fetch(`${at}/notes`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ title: "kept" }),
    });
    expect(answer.status).toBe(201);
    const ended = child.end();
    child.process.kill("SIGTERM");
    await ended;
    await using db = await open(url);
    expect(await db.collection("notes").count({ title: "kept" })).toBe(1);
  }, 30_000);
});
