import { createHook } from "node:async_hooks";
import { once } from "node:events";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { type FormDB, type HttpDatabase, type HttpOptions, open, type RejectedDocument } from "@formdb/perf";
import { afterEach, describe, expect, it, vi } from "vitest";
import { failure } from "../../../test/support/failure.ts";
import { selfSignedCertificate } from "../../../test/support/postgres-certificate.ts";
import { type FormServer, serve } from "../../src/server.ts";

type Url = `http://${string}`;
const KEY = "the-key-of-the-client-test";
const FIRED = AbortSignal.abort();

const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** What happens to a request on its way. `cut after`: the server does it, and its answer is lost. */
type Fate = "pass" | "cut before" | "cut after" | "half" | "hang" | "503" | "502";

/** A server of documents behind a proxy, which decides each request's fate. */
async function behindProxy(fateOf: (request: IncomingMessage, n: number) => Fate): Promise<{
  readonly db: FormDB;
  readonly url: Url;
  readonly seen: string[];
  readonly server: FormServer;
}> {
  const db = await open("sqlite::memory:");
  const server = await serve(db, { port: 0 });
  undo.push(() => server.close());
  const seen: string[] = [];
  const url = await listening((asked, answer) => {
    const isFirst = asked.url === "/v1/stats" && seen.length === 0;
    seen.push(`${asked.method} ${asked.url}`);
    const fate = isFirst ? "pass" : fateOf(asked, seen.length - 1);
    if (fate === "cut before") return void asked.socket.destroy();
    if (fate === "hang") return undefined;
    if (fate === "502") return void answer.writeHead(502).end("<html>Bad Gateway</html>");
    if (fate === "503") {
      const error = { code: "HTTP_UNAVAILABLE", message: "too many", retryable: false };
      return void answer.writeHead(503, { "retry-after": "0.01" }).end(JSON.stringify({ error }));
    }
    const { method, headers } = asked;
    const onward = request(server.url + asked.url, { method: method!, headers }, (response) => {
      if (fate === "pass") {
        answer.writeHead(response.statusCode!, response.headers);
        response.pipe(answer);
        return;
      }
      answer.writeHead(response.statusCode!, { "content-type": response.headers["content-type"] });
      response.once("data", (part) => fate === "half" && answer.write(part));
      response.once("end", () => setTimeout(() => asked.socket.destroy(), 20)).resume();
    });
    answer.on("close", () => onward.destroy());
    onward.on("error", () => {});
    asked.pipe(onward);
    return undefined;
  });
  return { db, url, seen, server };
}

async function listening(answer: (asked: IncomingMessage, answer: ServerResponse) => unknown): Promise<Url> {
  const proxy: Server = createServer(answer).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  undo.push(async () => {
    proxy.closeAllConnections();
    proxy.close();
  });
  return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
}

async function connected(url: Url, options?: HttpOptions): Promise<HttpDatabase> {
  const remote = await open(url, options);
  undo.push(() => remote.close({ deadlineMs: 100 }));
  return remote;
}

it("an id that JSON does not write is none, as for a database that is opened here", async () => {
  class User {
    readonly name = "Ada";
    get id(): string {
      return "inherited";
    }
  }
  const { db, url } = await behindProxy(() => "pass");
  const remote = await connected(url);
  const id = await remote.insert("users", new User());
  expect(await db.get("users", id)).toEqual({ id, name: "Ada" });
  expect(await remote.batchInsert("users", [new User()])).toMatchObject({ successful: 1 });
  expect(await db.get("users", "inherited")).toBeUndefined();
});

it("a number beyond 2^53 is taken as it is, as by a database that is opened here", async () => {
  const { db, url } = await behindProxy(() => "pass");
  for (const each of [db, await connected(url)]) {
    const documents = [{ id: "1", n: 2 ** 53 }, { id: "2", n: 123456789012345680000 }, { id: "3" }];
    expect(await each.batchUpsert("users", documents)).toMatchObject({ successful: 3 });
    const { rows } = await each.query("SELECT id FROM users WHERE n = $1", [2 ** 53]);
    expect(rows).toEqual([{ id: "1" }]);
  }
});

describe("as by a database that is opened here,", () => {
  const broken = {
    get n(): never {
      throw new Error("no n");
    },
  };
  const brokenId = {
    get id(): never {
      throw new Error("no id");
    },
  };

  it.each<[string, (db: FormDB | HttpDatabase) => Promise<unknown>]>([
    [
      "an element of an array that can't be read",
      (db) => {
        const documents = [{ id: "1" }, {}, { id: "2" }];
        Object.defineProperty(documents, 1, {
          get: () => {
            throw new Error("no element");
          },
        });
        return db.batchInsert("users", documents);
      },
    ],
    [
      "a document that can't be read",
      (db) => db.batchInsert("users", [{ id: "1" }, brokenId, { id: "3", ...{ n: NaN } }]),
    ],
    [
      "an update that is none",
      (db) => db.batchUpdate("users", [null, { id: "1" }, { id: "1", document: { id: "2" } }] as never),
    ],
    [
      "a document of an import that can't be read",
      async (db) => {
        const { read, successful, errors } = await db.import("users", [{ id: "1" }, { id: "2", broken }]);
        return { read, successful, errors };
      },
    ],
    [
      "an import whose signal has fired",
      async (db) => (await db.import("users", [{ id: "1" }], { signal: FIRED })).read,
    ],
  ])("%s fails alone, or is not read", async (_, run) => {
    const { db, url } = await behindProxy(() => "pass");
    const there = await run(await connected(url));
    if (await db.dropCollection("users")) await db.createCollection("users");
    expect(there).toEqual(await run(db));
  });

  it.each<[string, (db: FormDB | HttpDatabase) => Promise<unknown>]>([
    ["a patch with another id", (db) => db.update("users", "1", { id: "2" })],
    ["no patch", (db) => db.update("users", "1", undefined)],
    ["a batch for no collection", (db) => db.batchDelete("no name", ["1"])],
    ["no batch", (db) => db.batchInsert("users", 5 as never)],
    ["an insert of no document", (db) => db.insert("users", 5)],
    ["changes of nothing", (db) => db.collection("users").update("1", {})],
    [
      "changes at no place",
      (db) => db.collection("users").findOneAndUpdate({}, { unset: ["a[*]"] as never }),
    ],
    ["a function as a parameter", (db) => db.query("SELECT * FROM users WHERE n = $1", [() => 1])],
    ["a hole in the parameters", (db) => db.query("SELECT * FROM users WHERE n = $1", Array(1))],
    ["a parameter of another name", (db) => db.query("SELECT * FROM users WHERE n = :n", { m: 1 })],
    ["a syntax error", (db) => db.query("SELECT FROM users")],
    ["an index's name that is no string", (db) => db.dropIndex("users", 5 as never)],
    ["an index's name that is no Unicode", (db) => db.dropIndex("users", "\ud800")],
    ["an empty index's name", (db) => db.dropIndex("users", "")],
  ])("%s is refused, with the same details", async (_, run) => {
    const { db, url } = await behindProxy(() => "pass");
    const remote = await connected(url);
    await db.insert("users", { id: "1" });
    const here = await failure(run(db));
    expect(await failure(run(remote))).toMatchObject({ ...here, message: here.message });
  });
});

describe("what is sent again", () => {
  it("reads, whether the request or the answer was lost", async () => {
    const fates: Fate[] = ["cut before", "cut after", "pass", "502", "pass"];
    const { db, url } = await behindProxy(() => fates.shift()!);
    await db.insert("users", { id: "1", n: 1 });
    const remote = await connected(url);
    expect(await remote.get("users", "1")).toEqual({ id: "1", n: 1 });
    expect((await remote.query("SELECT n FROM users")).rows).toEqual([{ n: 1 }]);
    expect(fates).toEqual([]);
  });

  it("streams, as long as no answer to them has begun", async () => {
    const fates: Fate[] = ["cut before", "503", "502", "pass"];
    const { db, url, seen } = await behindProxy(() => fates.shift()!);
    await db.insert("users", { id: "1" });
    const remote = await connected(url);
    const rows: unknown[] = [];
    for await (const row of remote.collection("users").find()) rows.push(row);
    expect(rows).toEqual([{ id: "1" }]);
    expect(seen).toHaveLength(5);
  });

  it("inserts whose id was made by the client: each is there once", async () => {
    const { db, url } = await behindProxy((_, n) => (n % 2 === 1 ? "cut after" : "pass"));
    const remote = await connected(url);
    const id = await remote.insert("users", { n: 1 });
    expect(await db.get("users", id)).toEqual({ id, n: 1 });
    expect(await remote.batchInsert("users", [{ n: 2 }, { n: 3 }])).toEqual({
      successful: 2,
      failed: 0,
      errors: [],
    });
    expect((await db.query("SELECT COUNT(*) AS n FROM users")).rows).toEqual([{ n: 3 }]);
  });

  it("upserts and merge patches", async () => {
    const { db, url, seen } = await behindProxy((_, n) => (n % 2 === 1 ? "cut after" : "pass"));
    const remote = await connected(url);
    await remote.upsert("users", { id: "1", n: 1 });
    await remote.update("users", "1", { m: 2 });
    expect(await db.get("users", "1")).toEqual({ id: "1", n: 1, m: 2 });
    expect(seen).toHaveLength(5);
  });

  it("everything that the server has refused for now", async () => {
    const fates: Fate[] = ["503", "503", "pass", "503", "pass"];
    const { db, url } = await behindProxy(() => fates.shift()!);
    const remote = await connected(url);
    await remote.insert("users", { id: "mine" });
    expect(await remote.delete("users", "mine")).toBe(true);
    expect(fates).toEqual([]);
    expect(await db.get("users", "mine")).toBeUndefined();
  });

  it("nothing more than maxRetries times", async () => {
    const { url, seen } = await behindProxy(() => "cut before");
    const remote = await connected(url, { maxRetries: 2 });
    expect(await failure(remote.get("users", "1"))).toMatchObject({ code: "FORMDB_CONNECTION_LOST" });
    expect(seen).toHaveLength(4);
  });

  it.each<Fate>(["cut before", "cut after", "502", "503"])(
    "a read that has failed may be made again, and is no write of which nobody knows: %s",
    async (last) => {
      const { db, url } = await behindProxy((_, n) => (n === 1 ? "cut after" : last));
      await db.insert("users", { id: "1" });
      const remote = await connected(url, { maxRetries: 1 });
      const errors = [await failure(remote.get("users", "1"))];
      if (last !== "503") errors.push(await failure(remote.stream("SELECT * FROM users").next()));
      for (const error of errors) {
        expect(error).toMatchObject({ retryable: true });
        expect(error.outcome).toBeUndefined();
      }
    },
  );

  it.each([
    ["an insert of the caller's id", (db: HttpDatabase) => db.insert("users", { id: "mine" })],
    ["a delete", (db: HttpDatabase) => db.delete("users", "mine")],
    ["an INSERT as text", (db: HttpDatabase) => db.query('INSERT INTO users {"id": "mine"}')],
    ["an UPDATE as text", (db: HttpDatabase) => db.query("UPDATE users SET n = n + 1")],
    ["a change by path", (db: HttpDatabase) => db.collection("users").update("there", { inc: { n: 1 } })],
    ["a replacement", (db: HttpDatabase) => db.collection("users").replace("there", {})],
    ["a delete of a version", (db: HttpDatabase) => db.collection("users").delete("there", { ifVersion: 1 })],
    [
      "a change of the first of a filter",
      (db: HttpDatabase) => db.collection("users").findOneAndUpdate({}, { inc: { n: 1 } }),
    ],
  ])("not %s whose answer was lost: its outcome is unknown", async (_, write) => {
    const { db, url, seen } = await behindProxy(() => "cut after");
    await db.insert("users", { id: "there", n: 0 });
    const error = await failure(write(await connected(url)));
    expect(error).toMatchObject({ code: "FORMDB_CONNECTION_LOST", outcome: "unknown", attempts: 1 });
    expect(seen).toHaveLength(2);
  });

  it("a write whose answer was lost stays unknown if it is refused for now when it is sent again", async () => {
    const { db, url, seen } = await behindProxy((_, n) => (n === 1 ? "cut after" : "503"));
    const remote = await connected(url);
    const error = await failure(remote.insert("users", { n: 1 }));
    // Made again by its caller, it would be there twice.
    expect(error).toMatchObject({ code: "FORMDB_BUSY", outcome: "unknown", retryable: false, attempts: 4 });
    expect(seen).toHaveLength(5);
    expect(await db.collection("users").count()).toBe(1);
  });

  it.each<[string, number, object | string]>([
    ["its time", 504, { code: "FORMDB_TIMEOUT", message: "no time", outcome: "rejected" }],
    ["a server that ends", 503, { code: "FORMDB_CLOSED", message: "closed", outcome: "rejected" }],
    ["a new key", 401, { code: "HTTP_UNAUTHORIZED", message: "no key" }],
    ["a proxy", 429, "<html>"],
  ])("nor does what %s says of a later sending tell what became of the first", async (_, status, error) => {
    let sendings = 0;
    const url = await listening((asked, answer) => {
      if (asked.url === "/v1/stats") return answer.end('{"profile":"sqlite"}');
      if (++sendings === 1) return asked.socket.destroy();
      return answer.writeHead(status).end(typeof error === "string" ? error : JSON.stringify({ error }));
    });
    const remote = await connected(url);
    const told = await failure(remote.insert("users", { n: 1 }));
    expect(told).toMatchObject({ status, outcome: "unknown", retryable: false, attempts: 2 });
    expect(sendings).toBe(2);
  });

  it("nor what a later sending of a batch says of documents, but for what they are", async () => {
    let sendings = 0;
    const errors = ["FORMDB_TIMEOUT", "FORMDB_CONSTRAINT"].map((code, index) => ({
      index,
      code,
      error: "refused",
      attempts: 1,
      outcome: "rejected",
    }));
    const url = await listening((asked, answer) => {
      if (asked.url === "/v1/stats") return answer.end('{"profile":"sqlite"}');
      if (++sendings === 1) return asked.socket.destroy();
      return answer.end(JSON.stringify({ successful: 0, failed: 2, errors }));
    });
    const remote = await connected(url);
    expect((await remote.batchInsert("users", [{}, {}])).errors).toMatchObject([
      { code: "FORMDB_TIMEOUT", outcome: "unknown" },
      { code: "FORMDB_CONSTRAINT", outcome: "rejected" },
    ]);
  });

  it("a batch with ids of the caller's tells each outcome as unknown", async () => {
    const { url } = await behindProxy(() => "cut after");
    const result = await (await connected(url)).batchInsert("users", [
      { id: "a" },
      { n: Number.NaN },
      { id: "b" },
    ]);
    expect(result).toMatchObject({
      successful: 0,
      failed: 3,
      errors: [
        { index: 0, id: "a", code: "FORMDB_CONNECTION_LOST", outcome: "unknown" },
        { index: 1, code: "FORMDB_INVALID_DOCUMENT", outcome: "rejected" },
        { index: 2, id: "b", code: "FORMDB_CONNECTION_LOST", outcome: "unknown" },
      ],
    });
  });
});

describe("errors", () => {
  it("a server that is not there was sent nothing", async () => {
    expect(await failure(open("http://127.0.0.1:1", { maxRetries: 0 }))).toMatchObject({
      code: "FORMDB_CONNECT_FAILED",
      retryable: true,
    });
  });

  it("one whose certificate is not trusted was sent nothing, and it is said why", async () => {
    const server = createTlsServer(selfSignedCertificate()).listen(0, "127.0.0.1");
    await once(server, "listening");
    undo.push(async () => void server.close());
    const { port } = server.address() as AddressInfo;
    const error = await failure(open(`https://127.0.0.1:${port}`, { maxRetries: 0 }));
    expect(error).toMatchObject({
      code: "FORMDB_CONNECT_FAILED",
      message: expect.stringContaining("DEPTH_ZERO_SELF_SIGNED_CERT"),
    });
  });

  it("those of the database keep their codes and details", async () => {
    const { url } = await behindProxy(() => "pass");
    const remote = await connected(url);
    await remote.insert("users", { id: "1" });
    expect(await failure(remote.insert("users", { id: "1" }))).toMatchObject({
      code: "FORMDB_DUPLICATE_ID",
      collection: "users",
      id: "1",
      outcome: "rejected",
      retryable: false,
    });
    expect(await failure(remote.query("SELECT FROM"))).toMatchObject({ code: "FORMDB_SYNTAX", line: 1 });
    for (const parameters of [
      [Number.NaN],
      [undefined],
      [() => 1],
      [Symbol("x")],
      [[1, undefined]],
      null,
      5,
      "x",
    ]) {
      const asked = remote.query("SELECT * FROM users WHERE n = $1", parameters as never);
      expect(await failure(asked)).toMatchObject({ code: "FORMDB_PARAMETER_MISMATCH" });
    }
    for (const paths of [5, null, ["a", 1], []]) {
      expect(await failure(remote.createIndex("users", paths as never))).toMatchObject({
        code: "FORMDB_CONFIG",
      });
    }
  });

  it.each([
    ["a document of no JSON", (db: HttpDatabase) => db.insert("users", { a: new Map() })],
    ["an empty id", (db: HttpDatabase) => db.delete("users", "")],
    ["the name of no collection", (db: HttpDatabase) => db.upsert("no name", {})],
    ["an unknown option", (db: HttpDatabase) => db.update("users", "1", {}, { timeout: 5 } as never)],
    ["a signal that has fired", (db: HttpDatabase) => db.insert("users", {}, { signal: FIRED })],
    [
      "a signal that has fired, of many,",
      (db: HttpDatabase) => db.batchInsert("users", [{}], { signal: FIRED }),
    ],
    [
      "a signal that has fired, of a change by path,",
      (db: HttpDatabase) => db.collection("users").update("1", { set: { n: 1 } }, { signal: FIRED }),
    ],
    [
      "a signal that has fired, of a change of the first,",
      (db: HttpDatabase) => db.collection("users").findOneAndUpdate({}, { set: { n: 1 } }, { signal: FIRED }),
    ],
  ])("of a write that %s kept from being sent say that it is rejected", async (_, write) => {
    const { url, seen } = await behindProxy(() => "pass");
    expect(await failure(write(await connected(url)))).toMatchObject({ outcome: "rejected" });
    expect(seen).toHaveLength(1);
  });

  it("a wrong key is refused at once, and shown nowhere", async () => {
    const db = await open("sqlite::memory:");
    const server = await serve(db, { port: 0, apiKey: KEY });
    undo.push(() => server.close());
    const url = server.url as Url;
    const remote = await connected(url, { apiKey: KEY });
    expect(await remote.listCollections()).toEqual([]);
    for (const apiKey of ["wrong-key-of-some-length", undefined]) {
      const error = await failure(open(url, { apiKey }));
      expect(error).toMatchObject({ code: "FORMDB_CONFIG", status: 401, retryable: false });
      expect(JSON.stringify(error) + error.message).not.toContain("wrong-key");
    }
    const split = await failure(open(url, { apiKey: "secret\r\nx: y" }));
    expect(split.code).toBe("FORMDB_CONFIG");
    expect(JSON.stringify(split) + split.message).not.toContain("secret");
  });

  it.each(["http://user:secret@127.0.0.1:1", "http://127.0.0.1:1/?key=secret", "http://:secret"])(
    "the URL %s is refused and not shown",
    async (url) => {
      const error = await failure(open(url as Url));
      expect(error.code).toBe("FORMDB_CONFIG");
      expect(JSON.stringify(error) + error.message).not.toContain("secret");
    },
  );

  it("an option that there is not is refused by name", async () => {
    const error = await failure(open("http://127.0.0.1:1", { pool: {} } as HttpOptions));
    expect(error).toMatchObject({ code: "FORMDB_CONFIG", option: "pool" });
  });

  it("what is no server of FormDB is said", async () => {
    const url = await listening((_, answer) => answer.end("<html>"));
    expect(await failure(open(url))).toMatchObject({ code: "FORMDB_ENGINE" });
  });

  it.each([
    ["an insert", (db: HttpDatabase) => db.insert("users", {})],
    ["a change by path", (db: HttpDatabase) => db.collection("users").update("1", { set: { n: 1 } })],
    ["a DELETE as text", (db: HttpDatabase) => db.query("DELETE FROM users")],
  ])("of %s that was answered with what is no JSON say that its outcome is unknown", async (_, write) => {
    const url = await listening((asked, answer) =>
      answer.end(asked.url === "/v1/stats" ? '{"profile":"sqlite"}' : "<html>"),
    );
    expect(await failure(write(await connected(url)))).toMatchObject({
      code: "FORMDB_ENGINE",
      outcome: "unknown",
    });
  });

  it.each<[number, Record<string, string>, string]>([
    [200, {}, ""],
    [200, { "content-type": "text/html" }, "<html>\n</html>\n"],
    [302, { location: "/login" }, ""],
  ])(
    "of a stream that is answered with %i and no rows say so: it is not empty",
    async (status, head, body) => {
      const url = await listening((asked, answer) =>
        asked.url === "/v1/stats"
          ? answer.end('{"profile":"sqlite"}')
          : answer.writeHead(status, head).end(body),
      );
      const remote = await connected(url);
      expect(await failure(remote.stream("SELECT * FROM users").next())).toMatchObject({
        code: "FORMDB_ENGINE",
      });
    },
  );

  it.each<[number, string]>([
    [500, "<html>"],
    [504, "<html>"],
    [520, "<html>"],
    [524, "<html>"],
    [500, '{"error":{"code":"HTTP_INTERNAL","message":"The server failed"}}'],
  ])(
    "of a write that was answered with %i and %s say that its outcome is unknown: the server may have done it",
    async (status, body) => {
      const url = await listening((asked, answer) =>
        asked.url === "/v1/stats" ? answer.end('{"profile":"sqlite"}') : answer.writeHead(status).end(body),
      );
      const remote = await connected(url, { maxRetries: 0 });
      expect(await failure(remote.insert("users", { id: "1" }))).toMatchObject({
        status,
        outcome: "unknown",
      });
    },
  );
});

describe("bounds", () => {
  it("a time limit and a signal end a call; a write that was sent is unknown", async () => {
    const { url } = await behindProxy(() => "hang");
    const remote = await connected(url);
    expect(await failure(remote.get("users", "1", { timeoutMs: 30 }))).toMatchObject({
      code: "FORMDB_TIMEOUT",
      timeoutMs: 30,
    });
    const controller = new AbortController();
    const written = failure(remote.insert("users", { n: 1 }, { signal: controller.signal }));
    await sleep(30);
    controller.abort(new Error("enough"));
    expect(await written).toMatchObject({ code: "FORMDB_ABORTED", outcome: "unknown" });
    expect((await written).cause).toMatchObject({ message: "enough" });
    const stuck = remote.stream("SELECT * FROM users", [], { timeoutMs: 30 }).next();
    expect(await failure(stuck)).toMatchObject({ code: "FORMDB_TIMEOUT" });
  });

  it("a write that waits for another on its document is ended too: it is not sent, and those behind it are in their turn", async () => {
    let release: (() => void) | undefined;
    const sent: string[] = [];
    const url = await listening(async (asked, answer) => {
      if (asked.method === "GET") return void answer.end('{"profile":"sqlite"}');
      let body = "";
      for await (const part of asked) body += part;
      sent.push(body);
      if (release === undefined) await new Promise<void>((resolve) => (release = resolve));
      return void answer.end('{"id":"1"}');
    });
    const remote = await connected(url);
    const first = remote.update("users", "1", { n: 1 });
    const late = failure(remote.update("users", "1", { n: 2 }, { timeoutMs: 30 }));
    const abort = new AbortController();
    const aborted = failure(remote.update("users", "1", { n: 3 }, { signal: abort.signal }));
    const last = remote.update("users", "1", { n: 4 }, { timeoutMs: 60_000 });
    expect(await late).toMatchObject({ code: "FORMDB_TIMEOUT", timeoutMs: 30, outcome: "rejected" });
    abort.abort();
    expect(await aborted).toMatchObject({ code: "FORMDB_ABORTED", outcome: "rejected" });
    expect(sent).toEqual(['{"n":1}']);
    release!();
    await Promise.all([first, last]);
    expect(sent).toEqual(['{"n":1}', '{"n":4}']);
  });

  it("leave no timer behind when their call has ended", async () => {
    const { db, url } = await behindProxy(() => "pass");
    await db.insert("users", { id: "1" });
    const remote = await connected(url);
    const timers = new Set<number>();
    const hook = createHook({
      init: (id, type) => void (type === "Timeout" && timers.add(id)),
      destroy: (id) => void timers.delete(id),
    }).enable();
    try {
      for (let i = 0; i < 100; i++) await remote.get("users", "1");
      await expect.poll(() => timers.size).toBeLessThan(50);
    } finally {
      hook.disable();
    }
  });

  it("more calls than may wait are refused, and those that wait are served", async () => {
    const { db, url } = await behindProxy(() => "pass");
    await db.insert("users", { id: "1" });
    const remote = await connected(url, { maxConnections: 2, maxWaiting: 3 });
    const gets = await Promise.allSettled(Array.from({ length: 10 }, () => remote.get("users", "1")));
    expect(gets.filter(({ status }) => status === "fulfilled")).toHaveLength(5);
    const refused = gets.flatMap((one) => (one.status === "rejected" ? [one.reason.code] : []));
    expect(refused).toEqual(Array.from({ length: 5 }, () => "FORMDB_QUEUE_FULL"));
    expect(await remote.get("users", "1")).toEqual({ id: "1" });
  });

  it.each(["close", "flush"] as const)(
    "%s() waits for writes that wait for another on their document, and for batches of several requests",
    async (call) => {
      const { db, url } = await behindProxy(() => "pass");
      const remote = await open(url as Url);
      undo.push(() => remote.close());
      const ended: unknown[] = [];
      const writes = [
        ...[1, 2, 3].map((n) => remote.upsert("users", { id: "1", n })),
        remote.collection("users").update("1", { inc: { n: 1 } }),
        remote.batchInsert(
          "others",
          Array.from({ length: 2_500 }, () => ({})),
        ),
      ].map((write) => write.then((result) => ended.push(result)));
      await remote[call]();
      expect(ended).toHaveLength(writes.length);
      expect(await db.get("users", "1")).toEqual({ id: "1", n: 4 });
      expect(await db.collection("others").count()).toBe(2_500);
    },
  );

  it("closing does not wait longer than its deadline, or half a minute, for a stream that nobody reads on", async () => {
    const { db, url } = await behindProxy(() => "pass");
    await db.insert("users", { id: "1" });
    for (const deadlineMs of [50, undefined]) {
      const remote = await open(url);
      await remote.stream("SELECT * FROM users").next();
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      const closed = remote.close({ deadlineMs });
      await turn();
      vi.advanceTimersByTime(deadlineMs ?? 30_000);
      vi.useRealTimers();
      await closed;
    }
  });

  it("closing waits for calls under way, cuts them at its deadline, and refuses new ones", async () => {
    const { url, db } = await behindProxy((asked) => (asked.method === "GET" ? "hang" : "pass"));
    const remote = await open(url);
    const insert = remote.insert("users", { id: "1" });
    const stuck = failure(remote.get("users", "1"));
    await remote.close({ deadlineMs: 100 });
    expect(await insert).toBe("1");
    expect(await db.get("users", "1")).toEqual({ id: "1" });
    expect(await stuck).toMatchObject({ code: "FORMDB_CLOSED" });
    expect(await failure(remote.get("users", "1"))).toMatchObject({ code: "FORMDB_CLOSED" });
    expect(remote.closed).toBe(true);
  });
});

describe("streams and many", () => {
  const many = Array.from({ length: 30_000 }, (_, n) => ({ id: `d${n}`, n, text: "x".repeat(100) }));

  it("a stream that is cut off is an error behind the rows before it", async () => {
    const { db, url } = await behindProxy(() => "half");
    await db.batchInsert("users", many);
    const remote = await connected(url);
    let rows = 0;
    const read = (async () => {
      for await (const row of remote.stream("SELECT * FROM users ORDER BY n")) expect(row.n).toBe(rows++);
    })();
    expect(await failure(read)).toMatchObject({ code: "FORMDB_CONNECTION_LOST" });
    expect(rows).toBeGreaterThan(0);
    expect(rows).toBeLessThan(many.length);
  });

  it("a stream that is left early gives its connections back, here and at the server", async () => {
    const { db, url } = await behindProxy(() => "pass");
    await db.batchInsert("users", many);
    const remote = await connected(url, { maxConnections: 1 });
    for (let round = 0; round < 5; round++) {
      for await (const row of remote.stream("SELECT * FROM users ORDER BY n")) {
        expect(row.n).toBe(0);
        break;
      }
    }
    expect((await remote.query("SELECT COUNT(*) AS n FROM users")).rows).toEqual([{ n: many.length }]);
    await expect.poll(() => db.pool.stats().inUse).toBe(0);
  });

  it("each part of a long row is looked through once", async () => {
    const { db, url } = await behindProxy(() => "pass");
    const text = "x".repeat(5_000_000);
    await db.batchInsert("users", [{ text }, { text }]);
    const remote = await connected(url);
    const { split } = String.prototype;
    let characters = 0;
    const spy = vi.spyOn(String.prototype, "split").mockImplementation(function (this: string, ...given) {
      characters += this.length;
      return Reflect.apply(split, this, given);
    } as typeof split);
    let rows = 0;
    for await (const row of remote.stream("SELECT * FROM users")) rows += row.text === text ? 1 : 0;
    spy.mockRestore();
    expect(rows).toBe(2);
    expect(characters).toBeLessThan(3 * text.length);
  });

  it("a batch of any size keeps each document's index", async () => {
    const { db, url } = await behindProxy(() => "pass");
    const remote = await connected(url);
    await remote.insert("users", { id: "d2500" });
    const result = await remote.batchInsert("users", many.slice(0, 3_000));
    expect(result).toMatchObject({ successful: 2_999, failed: 1, errors: [{ index: 2_500, id: "d2500" }] });
    expect((await db.query("SELECT COUNT(*) AS n FROM users")).rows).toEqual([{ n: 3_000 }]);
  });

  it("a batch whose source fails tells what became of the documents before, and one without a source is refused", async () => {
    const { db, url } = await behindProxy(() => "pass");
    const broken = function* (): Generator<unknown> {
      yield { id: "first" };
      throw new Error("the disk is gone");
    };
    for (const each of [db, await connected(url)]) {
      expect(await failure(each.batchInsert("users", broken()))).toMatchObject({
        code: "FORMDB_INVALID_DOCUMENT",
        message: "The source of the operations failed: the disk is gone",
        result: { successful: 1, failed: 0, errors: [] },
      });
      expect(await each.delete("users", "first")).toBe(true);
      expect(await failure(each.batchInsert("users", 5 as never))).toMatchObject({ code: "FORMDB_CONFIG" });
    }
  });

  it("a batch of long texts beyond ASCII is sent in requests that the server takes", async () => {
    const { db, url } = await behindProxy(() => "pass");
    const remote = await connected(url);
    const text = "語".repeat(4_000);
    expect(await remote.batchInsert("users", Array(1_000).fill({ text }))).toMatchObject({
      successful: 1_000,
      failed: 0,
    });
    expect(await db.collection("users").count()).toBe(1_000);
  });

  it("an import tells progress and what it has rejected, with the documents as they were", async () => {
    const { db, url } = await behindProxy(() => "pass");
    const remote = await connected(url);
    const bad = { id: "bad", n: Number.POSITIVE_INFINITY };
    const taken = { id: "d1" };
    const rejected: RejectedDocument[] = [];
    let read = 0;
    const result = await remote.import("users", [...many.slice(0, 5_000), bad, taken], {
      onRejected: (one) => rejected.push(one),
      onProgress: (progress) => {
        read = progress.read;
      },
    });
    expect(result).toMatchObject({ read: 5_002, successful: 5_000, failed: 2, aborted: false });
    expect(rejected).toMatchObject([
      { index: 5_000, code: "FORMDB_INVALID_DOCUMENT", document: bad },
      { index: 5_001, code: "FORMDB_DUPLICATE_ID", id: "d1" },
    ]);
    // The caller's own objects, by which it may know where they are from.
    expect(rejected.map(({ document }) => document)).toEqual([bad, taken]);
    expect(rejected[0]!.document).toBe(bad);
    expect(rejected[1]!.document).toBe(taken);
    expect(result.errors[0]?.error).toContain("finite");
    expect(read).toBe(5_002);
    expect((await db.query("SELECT COUNT(*) AS n FROM users")).rows).toEqual([{ n: 5_000 }]);
  });

  it("an import whose source fails ends with the source's own error, one that is aborted with what it read", async () => {
    const { db, url } = await behindProxy(() => "pass");
    const remote = await connected(url);
    const broken = async function* (): AsyncGenerator<unknown> {
      yield { id: "first" };
      throw new Error("the disk is gone");
    };
    await expect(remote.import("users", broken())).rejects.toThrow("the disk is gone");
    expect(await db.get("users", "first")).toEqual({ id: "first" });
    const controller = new AbortController();
    const endless = async function* (): AsyncGenerator<unknown> {
      for (let n = 0; ; n++) {
        if (n === 100) controller.abort();
        yield { id: `e${n}` };
      }
    };
    expect(await remote.import("users", endless(), { signal: controller.signal })).toMatchObject({
      aborted: true,
      failed: 0,
    });
  });

  it("an import's signal ends the wait for a source that is idle: what was read is imported", async () => {
    const { db, url } = await behindProxy(() => "pass");
    const remote = await connected(url);
    const controller = new AbortController();
    const idle = async function* (): AsyncGenerator<unknown> {
      yield { id: "first" };
      controller.abort();
      await new Promise(() => {});
    };
    const result = await remote.import("users", idle(), { signal: controller.signal });
    expect(result).toMatchObject({ aborted: true, read: 1, successful: 1 });
    expect(await db.get("users", "first")).toEqual({ id: "first" });
  });

  it("an import that the server refuses lets its source go", async () => {
    const url = await listening((asked, answer) => {
      if (asked.url === "/v1/stats") return answer.end('{"profile":"sqlite"}');
      asked.resume();
      return answer.writeHead(403).end('{"error":{"code":"HTTP_FORBIDDEN","message":"not here"}}');
    });
    const remote = await connected(url);
    const ended = Promise.withResolvers<string>();
    const source = async function* (): AsyncGenerator<unknown> {
      try {
        for (;;) {
          yield { text: "x".repeat(10_000) };
          await sleep(1);
        }
      } finally {
        ended.resolve("ended");
      }
    };
    expect(await failure(remote.import("users", source()))).toMatchObject({ code: "FORMDB_CONFIG" });
    expect(await ended.promise).toBe("ended");
  });

  it("an import refuses what is no source, and options that there are not", async () => {
    const { url, seen } = await behindProxy(() => "pass");
    const remote = await connected(url);
    expect(await failure(remote.import("users", 5 as never))).toMatchObject({ code: "FORMDB_CONFIG" });
    for (const options of [{ ifExsts: "reject" }, { ifExists: "skip" }, { onProgress: "log" }]) {
      expect(await failure(remote.import("users", [], options as never))).toMatchObject({
        code: "FORMDB_CONFIG",
        option: Object.keys(options)[0],
      });
    }
    expect(seen).toHaveLength(1);
  });
});
