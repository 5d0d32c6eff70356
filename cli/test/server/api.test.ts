import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { open } from "@formdb/perf";
import { type FastifyBaseLogger, fastify } from "fastify";
import { afterEach, expect, it } from "vitest";
import { type FormServer, type FormServerOptions, formdbApi, serve } from "../../src/server.ts";
import { parsedLines, Scratch } from "../run-cli.ts";

const running: FormServer[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) await server.close();
});

async function started(options: FormServerOptions = {}): Promise<FormServer> {
  const server = await serve(await open("sqlite::memory:"), { port: 0, ...options });
  running.push(server);
  return server;
}

interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: each test says what it expects of a body
  readonly body: any;
  readonly headers: Headers;
}

async function ask(
  server: FormServer,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(server.url + path, {
    method,
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json");
  return { status: response.status, body: isJson ? JSON.parse(text) : text, headers: response.headers };
}

const KEYS = {
  apiKey: "full-key-0123456789",
  readKey: "read-key-0123456789",
  metricsKey: "metrics-0123456789",
};
const USERS = "/v1/collections/users/documents";

it("documents are written, read, changed and deleted by id", async () => {
  const server = await started();
  expect(await ask(server, "POST", USERS, { id: "1", name: "Ada" })).toMatchObject({
    status: 201,
    body: { id: "1" },
  });
  expect(await ask(server, "PUT", `${USERS}/a%2Fb`, { n: 1 })).toMatchObject({
    status: 200,
    body: { id: "a/b" },
  });
  expect((await ask(server, "GET", `${USERS}/a%2Fb`)).body).toEqual({ id: "a/b", n: 1 });
  await ask(server, "PATCH", `${USERS}/1`, { age: 36, name: null });
  expect((await ask(server, "GET", `${USERS}/1`)).body).toEqual({ id: "1", age: 36 });
  expect((await ask(server, "DELETE", `${USERS}/1`)).body).toEqual({ deleted: true });
  expect((await ask(server, "DELETE", `${USERS}/1`)).body).toEqual({ deleted: false });
  expect(await ask(server, "GET", `${USERS}/1`)).toMatchObject({
    status: 404,
    body: { error: { code: "FORMDB_NOT_FOUND" } },
  });
});

it("a document has the id of its path, and no other", async () => {
  const server = await started();
  for (const id of ["7", 7, undefined]) {
    expect(await ask(server, "PUT", `${USERS}/7`, { id })).toMatchObject({ status: 200, body: { id: "7" } });
  }
  for (const [path, id] of [
    ["7", "8"],
    ["7", ["7"]],
    ["1.5", 1.5],
    ["null", null],
    ["true", true],
  ] as const) {
    expect(await ask(server, "PUT", `${USERS}/${path}`, { id })).toMatchObject({
      status: 400,
      body: { error: { code: "FORMDB_INVALID_ID" } },
    });
  }
});

it("a document is changed by path, and for one version alone", async () => {
  const server = await started();
  await ask(server, "PUT", `${USERS}/1`, { n: 1, tags: [] });
  const changes = { inc: { n: 2 }, push: { tags: "a" } };
  expect(await ask(server, "POST", `${USERS}/1/changes?ifVersion=1`, changes)).toMatchObject({
    status: 200,
    body: { version: 2 },
  });
  for (const [method, path, body] of [
    ["POST", `${USERS}/1/changes?ifVersion=1`, changes],
    ["PUT", `${USERS}/1?ifVersion=1`, { n: 0 }],
    ["DELETE", `${USERS}/1?ifVersion=1`],
  ] as const) {
    expect(await ask(server, method, path, body)).toMatchObject({
      status: 409,
      body: { error: { code: "FORMDB_CONFLICT", version: 2 } },
    });
  }
  expect((await ask(server, "GET", `${USERS}/1?version=true`)).body).toEqual({
    document: { id: "1", n: 3, tags: ["a"] },
    version: 2,
  });
  expect(await ask(server, "PUT", `${USERS}/2?ifVersion=any`, { n: 0 })).toMatchObject({ status: 404 });
  for (const [method, path, body] of [
    ["PUT", `${USERS}/1?ifVersion=-1`, { n: 0 }],
    ["PUT", `${USERS}/1?ifversion=2`, { n: 0 }],
    ["DELETE", `${USERS}/1?ifVersion=any`],
    ["DELETE", `${USERS}/1?ifVersion=1&ifVersion=2`],
    ["POST", `${USERS}/1/changes`, { rename: { n: "m" } }],
    ["POST", `${USERS}/1/changes`, {}],
  ] as const) {
    expect(await ask(server, method, path, body)).toMatchObject({ status: 400 });
  }
  expect((await ask(server, "PUT", `${USERS}/1?ifVersion=2`, { n: 9 })).body).toEqual({
    id: "1",
    version: 3,
  });
  expect((await ask(server, "DELETE", `${USERS}/1?ifVersion=3`)).body).toEqual({ deleted: true });
});

it("a parameter of the URL that a route has not is refused, and nothing is done", async () => {
  const server = await started();
  await ask(server, "PUT", `${USERS}/1`, { n: 1 });
  for (const [method, path, body] of [
    ["PATCH", `${USERS}/1?ifVersion=7`, { n: 2 }],
    ["POST", `${USERS}?ifExists=skip-identical`, { id: "2" }],
    ["DELETE", `${USERS}?ifVersion=7`, ["1"]],
    ["DELETE", "/v1/collections/users?ifVersion=7", undefined],
    ["POST", "/v1/query?explain=true", { query: "DELETE FROM users" }],
  ] as const) {
    const name = /\?(\w+)/.exec(path)![1];
    expect(await ask(server, method, path, body)).toMatchObject({
      status: 400,
      body: { error: { message: `The URL's query must not have "${name}"; it may have nothing` } },
    });
  }
  expect((await ask(server, "POST", "/v1/query", { query: "SELECT * FROM users" })).body).toEqual({
    rows: [{ id: "1", n: 1 }],
    rowCount: 1,
  });
  for (const path of ["/?x=1", "/health?x=1", "/ready?x=1", "/metrics?x=1", "/openapi.json?x=1"]) {
    expect((await ask(server, "GET", path)).status).toBe(200);
  }
});

it("a filter's documents come page by page, as lines, or one by one to be changed", async () => {
  const server = await started();
  await ask(
    server,
    "POST",
    USERS,
    Array.from({ length: 7 }, (_, n) => ({ id: `d${n}`, n })),
  );
  const path = "/v1/collections/users/find";
  const asked = { filter: { n: { gte: 1 } }, select: ["id"], orderBy: { n: "desc" }, limit: 4 };
  const first = (await ask(server, "POST", path, asked)).body;
  expect(first.rows).toEqual([{ id: "d6" }, { id: "d5" }, { id: "d4" }, { id: "d3" }]);
  expect((await ask(server, "POST", path, { ...asked, after: first.next })).body).toEqual({
    rows: [{ id: "d2" }, { id: "d1" }],
  });
  const accept = { accept: "application/x-ndjson" };
  const lines = await ask(server, "POST", path, { filter: { n: { lt: 2 } } }, accept);
  expect(lines.body).toBe('{"id":"d0","n":0}\n{"id":"d1","n":1}\n');
  for (const body of [
    { after: "x" },
    { filter: { n: { $gt: 1 } } },
    { orderBy: { n: "up" } },
    { filter: [] },
  ]) {
    expect(await ask(server, "POST", path, body)).toMatchObject({ status: 400 });
  }
  expect(await ask(server, "POST", path, { where: {} })).toMatchObject({
    status: 400,
    body: {
      error: {
        message:
          'The body must not have "where"; it may have "filter", "select", "orderBy", "limit", "offset" and "after"',
      },
    },
  });
  const take = { filter: { taken: null }, changes: { set: { taken: true } }, orderBy: { n: "desc" } };
  const one = "/v1/collections/users/find-one-and-update";
  expect((await ask(server, "POST", one, take)).body).toEqual({ document: { id: "d6", n: 6, taken: true } });
  expect((await ask(server, "POST", one, { ...take, filter: { n: 100 } })).body).toEqual({ document: null });
});

it("a batch has an outcome for each document, and NDJSON may ask for them line by line", async () => {
  const server = await started();
  expect((await ask(server, "POST", USERS, [{ id: "1" }, { id: "1" }, 5])).body).toMatchObject({
    successful: 1,
    failed: 2,
    errors: [
      { index: 1, code: "FORMDB_DUPLICATE_ID", outcome: "rejected" },
      { index: 2, code: "FORMDB_INVALID_DOCUMENT" },
    ],
  });
  const lines = '{"id":"2"}\nnot json\n\n{"id":"1"}\n{"id":"3"}';
  const asked = { "content-type": "application/x-ndjson" };
  expect((await ask(server, "POST", "/v1/collections/other/documents", lines, asked)).body).toMatchObject({
    successful: 3,
    failed: 1,
    errors: [{ index: 1, line: 2, code: "FORMDB_INVALID_DOCUMENT" }],
  });
  const told = await ask(server, "POST", USERS, lines, { ...asked, accept: "application/x-ndjson" });
  const results = parsedLines(told.body);
  expect(results.sort((a, b) => a.index - b.index)).toMatchObject([
    { index: 0, line: 1, id: "2", outcome: "applied" },
    { index: 1, line: 2, outcome: "rejected" },
    { index: 2, line: 4, outcome: "rejected", code: "FORMDB_DUPLICATE_ID" },
    { index: 3, line: 5, id: "3", outcome: "applied" },
  ]);
});

it("an import tells why a line could not be read, where it comes and in the result", async () => {
  const server = await started();
  const importOf = async (lines: string) => {
    const ndjson = { "content-type": "application/x-ndjson" };
    return parsedLines((await ask(server, "POST", "/v1/collections/users/import", lines, ndjson)).body);
  };
  const lines = '{"id":"1"}\n[1]\nnot json\n{"n":12345678901234567890}\n{"id":{}}\n{"id":"2"}\n';
  const answers = await importOf(lines);
  const expected = [
    {
      index: 1,
      code: "FORMDB_INVALID_DOCUMENT",
      error: "A document must be a JSON object, not the array [1]",
    },
    { index: 2, code: "FORMDB_INVALID_DOCUMENT", error: expect.stringMatching(/^This is no JSON/) },
    { index: 3, code: "FORMDB_INVALID_DOCUMENT", error: expect.stringMatching(/could be rounded/) },
    { index: 4, code: "FORMDB_INVALID_ID", error: "An id must be a string or a safe integer, not an object" },
  ];
  const rejected = answers.flatMap((answer) => answer.rejected ?? []);
  expect(rejected.toSorted((a, b) => a.index - b.index)).toMatchObject(expected);
  const { result } = answers.at(-1);
  expect(result).toMatchObject({ read: 6, successful: 2, failed: 4 });
  expect(
    result.errors.toSorted((a: { index: number }, b: { index: number }) => a.index - b.index),
  ).toMatchObject(expected);
  const warnings: Error[] = [];
  const warned = (warning: Error): number => warnings.push(warning);
  process.on("warning", warned);
  const many = await importOf("not json\n".repeat(3_000));
  process.off("warning", warned);
  expect(warnings).toEqual([]);
  const messages = [...many.flatMap((answer) => answer.rejected ?? []), ...many.at(-1).result.errors];
  expect(messages).toHaveLength(4_000);
  expect(messages.filter(({ error }) => !error.startsWith("This is no JSON"))).toEqual([]);
});

it("of documents that the engine refuses its own words are in the log alone, under the request's id", async () => {
  const db = await open("sqlite::memory:");
  await db.createCollection("users");
  await db.sql("CREATE TRIGGER refusing BEFORE INSERT ON users BEGIN SELECT abs(-9223372036854775808); END");
  const logged: { readonly reqId: string; readonly code: string; readonly err: unknown }[] = [];
  const logger = { error: (facts: (typeof logged)[number]) => void logged.push(facts) };
  const server = await serve(db, { port: 0, logger: logger as unknown as FastifyBaseLogger });
  running.push(server);
  const ndjson = { "content-type": "application/x-ndjson" };
  const lines = '{"id":"1"}\n{"id":"2"}\n';
  for (const [path, body, headers] of [
    [USERS, [{ id: "1" }, { id: "2" }], {}],
    [USERS, lines, ndjson],
    [USERS, lines, { ...ndjson, accept: ndjson["content-type"] }],
    ["/v1/collections/users/import", lines, ndjson],
  ] as const) {
    const answer = await ask(server, "POST", path, body, headers);
    const text = JSON.stringify(answer.body);
    expect(text).toContain("FORMDB_ENGINE");
    expect(text).not.toContain("overflow");
    const facts = logged.splice(0);
    expect(facts).toMatchObject([{ reqId: answer.headers.get("x-request-id"), code: "FORMDB_ENGINE" }]);
    expect(String(facts[0]!.err)).toContain("overflow");
  }
});

it("queries give rows, plans, or a stream of lines", async () => {
  const server = await started();
  await ask(
    server,
    "POST",
    USERS,
    Array.from({ length: 300 }, (_, n) => ({ id: `d${n}`, n })),
  );
  const query = "SELECT n FROM users WHERE n >= $1 ORDER BY n";
  expect((await ask(server, "POST", "/v1/query", { query, params: [298] })).body).toEqual({
    rows: [{ n: 298 }, { n: 299 }],
    rowCount: 2,
  });
  expect((await ask(server, "POST", "/v1/query", { query, params: [1], explain: true })).body).toMatchObject({
    kind: "select",
    collection: "users",
  });
  const accept = { accept: "application/x-ndjson" };
  const streamed = await ask(server, "POST", "/v1/query", { query, params: [0] }, accept);
  expect(parsedLines(streamed.body).map(({ n }) => n)).toEqual(Array.from({ length: 300 }, (_, n) => n));
  const wrong = await ask(server, "POST", "/v1/query", { query: "SELECT FROM" }, accept);
  expect(wrong).toMatchObject({ status: 400, body: { error: { code: "FORMDB_SYNTAX", line: 1 } } });
  expect(wrong.headers.get("x-request-id")).toBe(wrong.body.error.requestId);
});

it("what a request has wrong is told in one sentence: where, what must hold, and what was found", async () => {
  const server = await started();
  for (const [method, path, body, message] of [
    [
      "POST",
      "/v1/query",
      { query: "x", params: 5 },
      "The body's params must be an array or an object, not 5",
    ],
    ["POST", "/v1/query", undefined, "The body must be an object, not null or absent"],
    ["POST", "/v1/query", null, "The body must be an object, not null or absent"],
    ["POST", "/v1/query", {}, 'The body must have "query"; it has nothing'],
    ["POST", "/v1/query", { query: "" }, "The body's query must not be empty"],
    ["PUT", USERS, 5, "The body must be an object or an array, not 5"],
    ["DELETE", USERS, ["1", 1.5], "The body[1] must be a string or an integer, not 1.5"],
    [
      "PUT",
      `${USERS}/1?ifVersion=x`,
      {},
      'The URL\'s parameter ifVersion must be a version of 1 to 16 digits, or any, not "x"',
    ],
    ["GET", `${USERS}/`, undefined, "The path's id must not be empty"],
    [
      "POST",
      "/v1/collections/users/find",
      { orderBy: { "a/b~c": "up" } },
      'The body\'s orderBy.a/b~c must be "asc" or "desc", not "up"',
    ],
    ["POST", "/v1/collections/users/find", { limit: -1 }, "The body's limit must be at least 0, not -1"],
    [
      "POST",
      "/v1/collections/users/indexes",
      { paths: Array(101).fill("a") },
      "The body's paths must have at most 100 elements, not 101",
    ],
  ] as const) {
    expect(await ask(server, method, path, body)).toMatchObject({
      status: 400,
      body: { error: { code: "HTTP_BAD_REQUEST", message } },
    });
  }
});

it("a plugin with a prefix tells the paths and methods below it, and leaves all others to the service", async () => {
  const app = fastify();
  const db = await open("sqlite::memory:");
  app.register(formdbApi, { prefix: "/db", db });
  app.setNotFoundHandler((_request, reply) => reply.code(404).send("the service's own"));
  const server = { url: await app.listen({ port: 0 }) } as FormServer;
  const wrongMethod = await ask(server, "GET", "/db/v1/query");
  expect(wrongMethod).toMatchObject({
    status: 405,
    body: { error: { code: "HTTP_METHOD_NOT_ALLOWED", message: '"/db/v1/query" takes POST, not GET' } },
  });
  expect(wrongMethod.headers.get("allow")).toBe("POST");
  for (const [path, message] of [
    ["/db/query", 'There is no path "/db/query"; did you mean "/db/v1/query"?'],
    ["/db/sql", 'There is no path "/db/sql"; GET /db/openapi.json describes those that there are'],
  ] as const) {
    for (const body of [{}, "{not json"]) {
      expect(await ask(server, "POST", path, body)).toMatchObject({
        status: 404,
        body: { error: { message } },
      });
    }
  }
  expect((await ask(server, "GET", "/v1/query")).body).toBe("the service's own");
  await app.close();
  await db.close();
});

it.each(["/own/db", "/own/db/", "/:owner/db"])(
  "a plugin's page is below its prefix %s, so that what it asks for is found",
  async (prefix) => {
    const app = fastify();
    const db = await open("sqlite::memory:");
    app.register(formdbApi, { prefix, db });
    const url = await app.listen({ port: 0 });
    const page = await fetch(`${url}${prefix.replace(":owner", "own")}`);
    expect(page.url).toBe(`${url}/own/db/`);
    expect(await page.text()).toMatch(/^<!doctype html>/i);
    expect((await fetch(new URL("v1/stats", page.url))).status).toBe(200);
    expect((await fetch(new URL("v1/stats?x=1", page.url))).status).toBe(400);
    await app.close();
    await db.close();
  },
);

it.each([
  ["", "The body must be JSON: it is empty"],
  [" ", "The body must be JSON: it is empty"],
  ["{broken", expect.stringMatching(/^The body must be JSON: Expected property name/)],
])("the body %j is no request", async (body, message) => {
  const server = await started();
  for (const path of ["/v1/query", "/v1/collections/users/find", "/v1/collections/users/documents"]) {
    expect(await ask(server, "POST", path, body)).toMatchObject({
      status: 400,
      body: { error: { code: "HTTP_BAD_REQUEST", message } },
    });
  }
});

it("a path or a method that is not there is told with those that are", async () => {
  const server = await started();
  const wrongMethod = await ask(server, "GET", `${USERS}?limit=5`);
  expect(wrongMethod).toMatchObject({
    status: 405,
    body: {
      error: {
        code: "HTTP_METHOD_NOT_ALLOWED",
        message: `"${USERS}" takes DELETE, PATCH, POST, PUT, not GET`,
      },
    },
  });
  expect(wrongMethod.headers.get("allow")).toBe("DELETE, PATCH, POST, PUT");
  for (const [path, message] of [
    ["/query", 'There is no path "/query"; did you mean "/v1/query"?'],
    ["/v1/stats/", 'There is no path "/v1/stats/"; did you mean "/v1/stats"?'],
    ["/sql", 'There is no path "/sql"; GET /openapi.json describes those that there are'],
  ] as const) {
    expect(await ask(server, "POST", path, {})).toMatchObject({ status: 404, body: { error: { message } } });
  }
  for (const body of ["{not json", "x".repeat(2_000_000), '{"__proto__":1}']) {
    expect(await ask(server, "POST", "/v1/stats", body)).toMatchObject({
      status: 405,
      body: { error: { code: "HTTP_METHOD_NOT_ALLOWED" } },
    });
    expect(await ask(server, "POST", "/nowhere?key=secret", body)).toMatchObject({
      status: 404,
      body: {
        error: {
          code: "HTTP_NOT_FOUND",
          message: 'There is no path "/nowhere"; GET /openapi.json describes those that there are',
        },
      },
    });
  }
});

it("each key allows what it is for, and no more", async () => {
  const server = await started({ ...KEYS, host: "0.0.0.0" });
  const status = async (
    key: string | undefined,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<number> =>
    (await ask(server, method, path, body, key === undefined ? {} : { authorization: `Bearer ${key}` }))
      .status;
  const select = { query: "INTROSPECT COLLECTIONS" };
  const ddl = { query: "CREATE COLLECTION made" };
  expect(await status(undefined, "GET", "/health")).toBe(200);
  expect(await status(undefined, "GET", "/metrics")).toBe(401);
  expect(await status(undefined, "POST", "/v1/query", select)).toBe(401);
  expect(await status("wrong-key-0123456789", "GET", "/metrics")).toBe(401);
  expect(await status(KEYS.metricsKey, "GET", "/metrics")).toBe(200);
  expect(await status(KEYS.metricsKey, "GET", "/v1/stats")).toBe(403);
  expect(await status(KEYS.readKey, "POST", "/v1/query", select)).toBe(200);
  expect(await status(KEYS.readKey, "POST", "/v1/query", ddl)).toBe(403);
  expect(await status(KEYS.readKey, "POST", USERS, { id: "1" })).toBe(403);
  expect(await status(KEYS.readKey, "PUT", "/v1/collections/x")).toBe(403);
  expect(await status(KEYS.apiKey, "POST", "/v1/query", ddl)).toBe(200);
  expect(
    (await ask(server, "GET", "/v1/collections", undefined, { "x-api-key": KEYS.readKey })).body,
  ).toEqual({
    collections: ["made"],
  });
});

it("a key for reading or for metrics opens the routes of this list and no other", async () => {
  const server = await started({ ...KEYS, limits: { wrongKeysPerSecond: 1_000 } });
  const open = ["get /", "get /health", "get /openapi.json", "get /ready"];
  const metrics = ["get /metrics"];
  const reading = [
    "get /v1/collections",
    "get /v1/collections/{name}/documents/{id}",
    "get /v1/collections/{name}/indexes",
    "get /v1/events",
    "get /v1/plans",
    "get /v1/statements",
    "get /v1/stats",
    "post /v1/collections/{name}/count",
    "post /v1/collections/{name}/find",
    "post /v1/query",
  ];
  const { paths } = (await ask(server, "GET", "/openapi.json")).body as {
    paths: Record<string, Record<string, object>>;
  };
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  );
  const openedBy = async (key: string | undefined): Promise<string[]> => {
    const opened: string[] = [];
    for (const route of routes) {
      const [method, path] = route.split(" ") as [string, string];
      const response = await fetch(server.url + path.replaceAll(/\{\w+\}/g, "x"), {
        method: method.toUpperCase(),
        headers: key === undefined ? {} : { "x-api-key": key },
      });
      if (response.status !== 401 && response.status !== 403) opened.push(route);
      await response.body?.cancel();
    }
    return opened.toSorted();
  };
  expect(await openedBy(undefined)).toEqual(open.toSorted());
  expect(await openedBy("wrong-key-0123456789")).toEqual([]);
  expect(await openedBy(KEYS.metricsKey)).toEqual([...open, ...metrics].toSorted());
  expect(await openedBy(KEYS.readKey)).toEqual([...open, ...metrics, ...reading].toSorted());
  expect(await openedBy(KEYS.apiKey)).toEqual(routes.toSorted());
});

it("what is refused for now is told to be retryable", async () => {
  const server = await started({ limits: { requestsPerSecond: 2, maxEventStreams: 1 } });
  const events = await fetch(`${server.url}/v1/events`);
  expect(await ask(server, "GET", "/v1/events")).toMatchObject({
    status: 503,
    body: { error: { code: "HTTP_UNAVAILABLE", retryable: true } },
  });
  let answer: Answer;
  do answer = await ask(server, "GET", "/v1/collections");
  while (answer.status === 200);
  expect(answer).toMatchObject({
    status: 429,
    body: { error: { code: "HTTP_TOO_MANY_REQUESTS", retryable: true } },
  });
  await events.body!.cancel();
});

it("a port that is taken is refused", async () => {
  const { port } = new URL((await started()).url);
  const db = await open("sqlite::memory:");
  await expect(serve(db, { port: Number(port) })).rejects.toMatchObject({
    code: "FORMDB_CONFIG",
    message: `The server can't listen on 127.0.0.1, port ${port}: a server listens there already; choose another port`,
  });
  await db.close();
});

it("an address that others reach needs a key, and a short one is refused", async () => {
  const db = await open("sqlite::memory:");
  for (const options of [
    { host: "0.0.0.0" },
    { host: "0.0.0.0", readKey: KEYS.readKey },
    { apiKey: "short" },
  ]) {
    await expect(serve(db, { port: 0, ...options })).rejects.toMatchObject({ code: "FORMDB_CONFIG" });
  }
  await db.close();
});

it("what serve() refuses of its options is told in the error", async () => {
  const db = await open("sqlite::memory:");
  const refused: [object, RegExp][] = [
    [{ key: KEYS.apiKey }, /has no option "key"; it has host, port, apiKey, /],
    [{ apiKey: "short" }, /FORMDB_API_KEY must be at least 16 visible ASCII characters, not 5/],
    [{ limits: { maxRequests: 0 } }, /limit maxRequests must be a number above 0, not 0/],
    [{ limits: { requests: 1 } }, /has no limit requests; it has /],
    [
      {
        extend: () => {
          throw new Error("no such route");
        },
      },
      /can't listen on 127.0.0.1, port 0: no such route/,
    ],
  ];
  for (const [options, message] of refused) {
    await expect(serve(db, { port: 0, ...options })).rejects.toMatchObject({
      code: "FORMDB_CONFIG",
      message: expect.stringMatching(message),
    });
  }
  await db.close();
});

it("a stream of rows may take longer than a call, if its first row came in time", async () => {
  const db = await open("sqlite::memory:");
  const text = "x".repeat(10_000);
  await db.batchInsert(
    "users",
    Array.from({ length: 700 }, (_, n) => ({ id: `d${n}`, text })),
  );
  const server = await serve(db, { port: 0, limits: { callTimeoutMs: 300 } });
  running.push(server);
  const response = await fetch(`${server.url}/v1/query`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/x-ndjson" },
    body: JSON.stringify({ query: "SELECT * FROM users" }),
  });
  // More than sockets hold, so that the server waits for its client.
  await sleep(600);
  expect((await response.text()).split("\n")).toHaveLength(701);
});

it("long rows of a stream are not gathered before they are sent", async () => {
  const db = await open("sqlite::memory:");
  const taken = Promise.withResolvers<void>();
  const stream = async function* (): AsyncGenerator<object> {
    yield { text: "x".repeat(100_000) };
    await taken.promise;
  };
  const server = await serve(Object.assign(db, { stream }), { port: 0 });
  running.push(server);
  const response = await fetch(`${server.url}/v1/query`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/x-ndjson" },
    body: JSON.stringify({ query: "SELECT * FROM users" }),
  });
  let length = 0;
  for await (const part of response.body!) {
    length += part.length;
    if (length > 100_000) taken.resolve();
  }
  expect(length).toBe(100_000 + '{"text":""}\n'.length);
});

it("a stream whose client stops reading is cut short, counted, and holds no connection of the database", async () => {
  using scratch = new Scratch();
  const db = await open(`sqlite:${scratch.file("stalled.db")}`);
  const text = "x".repeat(100_000);
  await db.batchInsert(
    "users",
    Array.from({ length: 150 }, (_, n) => ({ id: `d${n}`, text })),
  );
  const server = await serve(db, { port: 0, limits: { stallTimeoutMs: 200 } });
  running.push(server);
  const socket = connect(server.port, "127.0.0.1").pause();
  const body = '{"query":"SELECT * FROM users"}';
  socket.write(
    "POST /v1/query HTTP/1.1\r\nhost: localhost\r\naccept: application/x-ndjson\r\n" +
      `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  const aborted = /formdb_errors_by_code_total\{code="FORMDB_ABORTED"\} 1/;
  while (!aborted.test(db.metrics.exportPrometheus())) await sleep(10);
  expect(db.pool.stats().inUse).toBe(0);
  let answer = "";
  socket
    .on("error", () => {})
    .on("data", (part) => {
      answer += part.toString("latin1");
    });
  socket.resume();
  await new Promise((resolve) => socket.once("close", resolve));
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  expect(answer.endsWith("0\r\n\r\n")).toBe(false);
});

it("times of Infinity bound nothing, and a deadline of Infinity cuts nobody off", async () => {
  const times = { bodyTimeoutMs: Infinity, callTimeoutMs: Infinity, stallTimeoutMs: Infinity };
  const server = await serve(await open("sqlite::memory:"), {
    port: 0,
    limits: { ...times, streamTimeoutMs: Infinity },
  });
  const parts = new TransformStream<Uint8Array, Uint8Array>();
  const writer = parts.writable.getWriter();
  const posted = fetch(server.url + USERS, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: parts.readable,
    duplex: "half",
  } as RequestInit);
  await writer.write(Buffer.from('{"id":'));
  await sleep(100);
  const closed = server.close({ deadlineMs: Infinity });
  await sleep(100);
  await writer.write(Buffer.from('"1"}'));
  await writer.close();
  expect((await posted).status).toBe(201);
  await closed;
});

it("events tell once a second what the database did", async () => {
  const server = await started();
  const response = await fetch(`${server.url}/v1/events`);
  expect(response.headers.get("content-type")).toContain("text/event-stream");
  await ask(server, "POST", USERS, [{ id: "1" }, { id: "2" }]);
  for (let i = 0; i < 5; i++) await ask(server, "POST", "/v1/query", { query: "SELECT COUNT(*) FROM users" });
  await ask(server, "POST", "/v1/query", { query: "SELECT" });
  let text = "";
  for await (const part of response.body!) {
    text += Buffer.from(part).toString();
    if (text.includes("event: sample")) break;
  }
  const event = JSON.parse(/data: (.*)\n/.exec(text)![1]!);
  expect(event).toMatchObject({
    profile: "sqlite",
    queries: { errors: 1 },
    cache: { hits: 4, missesBy: { invalid: 1 } },
    batch: { rowsPerFlush: 2 },
    errors: { FORMDB_SYNTAX: 1 },
  });
  expect(event.queries.count).toBeGreaterThanOrEqual(5);
  expect(event.queries.all.p99Ms).toBeGreaterThan(0);
});

it("events go on for a client that has sent a body with its request", async () => {
  const server = await started({ limits: { bodyTimeoutMs: 200 } });
  const socket = connect(server.port, "127.0.0.1");
  let text = "";
  socket.on("data", (part) => {
    text += part.toString();
  });
  socket.write("GET /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}");
  await expect.poll(() => text, { timeout: 5_000 }).toContain("event: sample");
  expect(socket.closed).toBe(false);
  socket.destroy();
});

it("a call that takes longer than a connection may be silent is answered", async () => {
  const server = await started({
    extend: (app) => {
      app.server.setTimeout(200);
      app.get("/slow", async () => {
        await sleep(700);
        return { done: true };
      });
    },
  });
  expect(await ask(server, "GET", "/slow")).toMatchObject({ status: 200, body: { done: true } });
  const silent = connect(server.port, "127.0.0.1");
  await expect.poll(() => silent.closed, { timeout: 5_000 }).toBe(true);
});

it("health, readiness, statistics, statements, metrics and the description", async () => {
  const server = await started();
  await ask(server, "POST", USERS, { id: "1" });
  await ask(server, "POST", "/v1/query", { query: "SELECT COUNT(*) FROM users" });
  expect(await ask(server, "GET", "/ready")).toMatchObject({ status: 200, body: { status: "ready" } });
  expect((await ask(server, "GET", "/v1/stats")).body).toMatchObject({
    profile: "sqlite",
    batch: { successful: 1 },
  });
  const { statements } = (await ask(server, "GET", "/v1/statements")).body;
  expect(statements.map((one: { collection: string }) => one.collection)).toContain("users");
  expect((await ask(server, "GET", "/metrics")).body).toContain("formdb_query_total 1");
  const { paths } = (await ask(server, "GET", "/openapi.json")).body;
  expect(Object.keys(paths)).toContain("/v1/collections/{name}/documents/{id}");
  expect(paths["/v1/query"].post.requestBody.content["application/json"].schema.required).toEqual(["query"]);
});

it("the live page is one document with a policy that lets its own script run", async () => {
  const server = await started();
  const page = await ask(server, "GET", "/");
  expect(page.status).toBe(200);
  expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(page.headers.get("content-security-policy")).toMatch(/script-src 'sha256-/);
  expect(page.headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
  for (const { headers } of [
    page,
    await ask(server, "GET", "/v1/stats"),
    await ask(server, "GET", "/nowhere"),
    await ask(server, "GET", `${USERS}/${"x".repeat(10_000)}`),
  ]) {
    expect(Object.fromEntries(headers)).toMatchObject({
      "cache-control": "no-store",
      "cross-origin-resource-policy": "same-origin",
      "x-content-type-options": "nosniff",
    });
  }
  expect(page.body).toMatch(/^<!doctype html>/i);
});
