import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { FormDBError, open } from "@formdb/perf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answerTo } from "../../src/server/status.ts";
import { type FormServer, serve } from "../../src/server.ts";

const KEY = "the-full-key-of-this-test";
/** Words that no answer may hold: of the machine, of the driver, of stacks. */
const LEAKS = /node_modules|node:internal|\.ts:|SQLITE_|better-sqlite3|the-full-key/;

let server: FormServer;

beforeAll(async () => {
  const db = await open("sqlite::memory:");
  await db.insert("users", { id: "1", name: "Ada" });
  server = await serve(db, {
    port: 0,
    apiKey: KEY,
    limits: { bodyTimeoutMs: 300, maxBodyBytes: 100_000, wrongKeysPerSecond: 1_000 },
  });
});

afterAll(async () => {
  await server.close();
});

async function dialled(port = server.port): Promise<Socket> {
  const socket = connect(port, "127.0.0.1").on("error", () => {});
  await once(socket, "connect");
  return socket;
}

/** All that comes back for these bytes until the server ends the connection, or `until` is there. */
async function exchange(bytes: string | Buffer, until?: RegExp): Promise<string> {
  const socket = await dialled();
  let answer = "";
  const ended = new Promise<void>((resolve) => {
    socket.on("data", (part) => {
      answer += part.toString("latin1");
      if (until?.test(answer)) resolve();
    });
    socket.once("close", () => resolve());
  });
  socket.write(bytes);
  await ended;
  socket.destroy();
  expect(answer).not.toMatch(LEAKS);
  return answer;
}

function head(line: string, ...headers: readonly string[]): string {
  return [`${line} HTTP/1.1`, "Host: localhost", `X-API-Key: ${KEY}`, ...headers, "", ""].join("\r\n");
}

const LAST = "Connection: close";

function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1] ?? Number.NaN);
}

it.each([
  ["FORMDB_BUSY", 'could not extend file "base/16384/2619": No space left on device'],
  ["FORMDB_SERIALIZATION", 'restart transaction: conflicting write at /Table/106/1/"ada@example.org"'],
] as const)("an engine's own words for %s are not told", (code, words) => {
  const { body } = answerTo(new FormDBError(code, words), "r1");
  expect(body.error).toMatchObject({ code, retryable: true });
  expect(JSON.stringify(body)).not.toMatch(/16384|ada@/);
});

function codeOf(answer: string): string | undefined {
  return /"code":"([A-Z_]+)"/.exec(answer)?.[1];
}

/** It still answers, and with the right document. */
async function expectAlive(): Promise<void> {
  const answer = await exchange(head("GET /v1/collections/users/documents/1", LAST));
  expect(statusOf(answer)).toBe(200);
  expect(answer).toContain('{"id":"1","name":"Ada"}');
}

describe("paths", () => {
  it.each([
    ["/v1/collections/users/documents/..%2f..%2fetc%2fpasswd", 404, "FORMDB_NOT_FOUND"],
    ["/v1/collections/users/documents/%2e%2e", 404, "FORMDB_NOT_FOUND"],
    ["/../../etc/passwd", 404, "HTTP_NOT_FOUND"],
    ["/%2e%2e/%2e%2e/etc/passwd", 404, "HTTP_NOT_FOUND"],
    ["//v1/stats", 404, "HTTP_NOT_FOUND"],
    ["/v1/stats/", 404, "HTTP_NOT_FOUND"],
    ["/V1/STATS", 404, "HTTP_NOT_FOUND"],
    ["/v1/collections/users/documents/%00", 400, "FORMDB_INVALID_ID"],
    ["/v1/collections/users/documents/%ff", 400, "HTTP_BAD_REQUEST"],
    ["/v1/collections/users/documents/%", 400, "HTTP_BAD_REQUEST"],
    ["/v1/collections/users%22%3b--/documents/1", 400, "FORMDB_CONFIG"],
    ["/v1/collections/formdb_indexes/documents/1", 400, "FORMDB_CONFIG"],
    ["/v1/collections/sqlite_master/documents/1", 400, "FORMDB_CONFIG"],
    ["/v1/collections/__proto__/documents/1", 404, "FORMDB_NOT_FOUND"],
    ["/v1/collections/users/documents/constructor", 404, "FORMDB_NOT_FOUND"],
    [`/v1/collections/users/documents/${"x".repeat(600)}`, 400, "FORMDB_INVALID_ID"],
    [`/v1/collections/users/documents/${"x".repeat(10_000)}`, 414, "HTTP_URI_TOO_LONG"],
    [`/${"x".repeat(20_000)}`, 431, "HTTP_TOO_LARGE"],
    ["http://elsewhere/v1/collections/users/documents/2", 404, "FORMDB_NOT_FOUND"],
  ])("%s is answered by %i", async (path, status, code) => {
    const answer = await exchange(head(`GET ${path}`, LAST));
    expect([statusOf(answer), codeOf(answer)]).toEqual([status, code]);
    expect(answer).not.toContain("root:");
    await expectAlive();
  });
});

describe("a type of a body that is not there", () => {
  const JSON_TYPE = "Content-Type: application/json; charset=utf-8";

  it.each([
    ["POST /v1/query", JSON_TYPE, 400],
    ["PUT /v1/collections/users/documents/2", JSON_TYPE, 400],
    ["DELETE /v1/collections/users/documents/2", JSON_TYPE, 200],
    ["DELETE /v1/collections/users/documents/2", `${JSON_TYPE}\r\nContent-Length: 0`, 200],
    ["PUT /v1/collections/made", `${JSON_TYPE}\r\nContent-Length: 0`, 200],
    ["POST /v1/query", `${JSON_TYPE}\r\nContent-Length: 0`, 400],
    ["POST /v1/collections/users/documents", `${JSON_TYPE}\r\nContent-Length: 0`, 400],
    ["GET /v1/collections/users/documents/1", JSON_TYPE, 200],
    ["POST /nowhere", JSON_TYPE, 404],
    ["POST /nowhere", "Content-Type: text/plain", 404],
    ["POST /health", JSON_TYPE, 405],
    ["POST /v1/collections/users/documents", "Content-Type: application/x-ndjson", 200],
    ["POST /v1/collections/users/import", "Content-Type: application/x-ndjson", 200],
    ["POST /nowhere", "Content-Type: application/x-ndjson", 404],
  ])("%s with %s is answered by %i", async (line, type, status) => {
    expect(statusOf(await exchange(head(line, type, LAST)))).toBe(status);
  });
});

describe("methods", () => {
  it.each([
    ["HEAD /v1/collections/users/documents/1", 200],
    ["HEAD /health", 200],
    ["HEAD /v1/events", 405],
    ["OPTIONS /v1/query", 405],
    ["TRACE /health", 405],
    ["PROPFIND /", 405],
    ["BREW /", 400],
    ["get /health", 400],
    ["GET", 400],
  ])("%s is answered by %i", async (line, status) => {
    expect(statusOf(await exchange(head(line, LAST)))).toBe(status);
    await expectAlive();
  });

  it("HEAD has no body, and nothing says that other origins may ask", async () => {
    const answer = await exchange(head("HEAD /v1/collections/users/documents/1", LAST));
    expect(answer.split("\r\n\r\n")[1]).toBe("");
    const options = await exchange(head("OPTIONS /v1/query", "Origin: http://evil.example", LAST));
    expect(options.toLowerCase()).not.toContain("access-control-allow");
  });

  it.each(["CONNECT elsewhere:80", "GET /health"])("%s is no tunnel and no upgrade", async (line) => {
    const answer = await exchange(head(line, "Connection: Upgrade", "Upgrade: websocket"), /\r\n\r\n/);
    expect(answer).not.toMatch(/^HTTP\/1\.1 101/);
    await expectAlive();
  });
});

describe("heads", () => {
  it.each([
    ["no Host", `GET /health HTTP/1.1\r\n\r\n`, 400],
    ["two lengths", head("POST /v1/query", "Content-Length: 2", "Content-Length: 3"), 400],
    ["length and chunks", head("POST /v1/query", "Content-Length: 2", "Transfer-Encoding: chunked"), 400],
    ["a length below 0", head("POST /v1/query", "Content-Length: -1"), 400],
    ["a length that is no number", head("POST /v1/query", "Content-Length: 1x"), 400],
    ["an unknown coding of the transfer", head("POST /v1/query", "Transfer-Encoding: gzip"), 400],
    ["a folded line", head("GET /health", "X-A: 1", " folded: 2"), 400],
    ["a line without a colon", head("GET /health", "nonsense"), 400],
    ["a NUL", head("GET /health", "X-A: \0"), 400],
    ["a lone LF", "GET /health HTTP/1.1\nHost: localhost\n\n", 400],
    ["too many bytes", head("GET /health", `X-A: ${"x".repeat(20_000)}`), 431],
    ["bytes of something else", Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00]), 400],
    ["HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
  ])("with %s are refused, and the connection ends", async (_, bytes, status) => {
    expect(statusOf(await exchange(bytes))).toBe(status);
    await expectAlive();
  });

  it("of very many lines are taken or refused, and never more than once a line", async () => {
    const lines = Array.from({ length: 3_000 }, (_, n) => `a${n}: 1`);
    expect([200, 431]).toContain(statusOf(await exchange(head("GET /health", ...lines, LAST))));
    await expectAlive();
  });

  it("that come byte by byte do not hold a connection for ever", async () => {
    const socket = await dialled();
    let answer = "";
    socket.on("data", (part) => {
      answer += part;
    });
    const slow = setInterval(() => socket.write("x"), 100);
    socket.write("GET /health HTTP/1.1\r\nX-A: ");
    await once(socket, "close");
    clearInterval(slow);
    expect(statusOf(answer)).toBe(408);
    expect(codeOf(answer)).toBe("HTTP_TIMEOUT");
  });
});

describe("keys", () => {
  it.each([
    ["X-API-Key: wrong-key-of-some-length", 401],
    [`X-API-Key: ${KEY}x`, 401],
    [`X-API-Key: ${KEY.slice(0, -1)}`, 401],
    [`X-API-Key: ${"k".repeat(10_000)}`, 401],
    ["Authorization: Basic dXNlcjpwYXNz", 401],
    ["Authorization: Bearer", 401],
    ["Cookie: key=1", 401],
    [`X-API-Key: ${KEY}, ${KEY}`, 401],
  ])("%.40s is answered by %i", async (header, status) => {
    const answer = await exchange(
      `GET /v1/stats HTTP/1.1\r\nHost: localhost\r\n${header}\r\nConnection: close\r\n\r\n`,
    );
    expect(statusOf(answer)).toBe(status);
    expect(codeOf(answer)).toBe("HTTP_UNAUTHORIZED");
  });

  it("a body behind a wrong key is not taken for a request", async () => {
    const smuggled = head("GET /v1/stats", LAST);
    const answer = await exchange(
      `POST /v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${smuggled.length}\r\n` +
        `Connection: close\r\n\r\n${smuggled}`,
    );
    expect(answer.match(/HTTP\/1\.1 \d{3}/g)).toEqual(["HTTP/1.1 401"]);
  });
});

describe("bodies", () => {
  const post = (type: string, body: string | Buffer, ...headers: readonly string[]): Buffer =>
    Buffer.concat([
      Buffer.from(
        head(
          "POST /v1/collections/hostile/documents",
          `Content-Type: ${type}`,
          `Content-Length: ${body.length}`,
          ...headers,
          LAST,
        ),
      ),
      Buffer.from(body),
    ]);

  it.each<[string, Buffer, number, string]>([
    ["no JSON", post("application/json", "{nonsense"), 400, "HTTP_BAD_REQUEST"],
    ["nothing", post("application/json", ""), 400, "HTTP_BAD_REQUEST"],
    [
      "bytes that are no UTF-8",
      post("application/json", Buffer.from('{"a":"\xff\xfe"}', "latin1")),
      400,
      "HTTP_BAD_REQUEST",
    ],
    ["too many bytes", post("application/json", `{"a":"${"x".repeat(150_000)}"}`), 413, "HTTP_TOO_LARGE"],
    [
      "very deep JSON",
      post("application/json", `{"a":${"[".repeat(45_000)}${"]".repeat(45_000)}}`),
      422,
      "FORMDB_INVALID_DOCUMENT",
    ],
    ["a form", post("application/x-www-form-urlencoded", "a=1"), 415, "HTTP_UNSUPPORTED_MEDIA_TYPE"],
    ["parts", post("multipart/form-data; boundary=x", "--x--"), 415, "HTTP_UNSUPPORTED_MEDIA_TYPE"],
    ["a JSON string", post("application/json", '"text"'), 422, "FORMDB_INVALID_DOCUMENT"],
    ["an id that is an object", post("application/json", '{"id":{}}'), 400, "FORMDB_INVALID_ID"],
    [
      "gzip",
      post("application/json", gzipSync('{"a":1}'), "Content-Encoding: gzip"),
      415,
      "HTTP_UNSUPPORTED_MEDIA_TYPE",
    ],
    [
      "gzip of NDJSON",
      post("application/x-ndjson", gzipSync('{"a":1}\n'), "Content-Encoding: gzip"),
      415,
      "HTTP_UNSUPPORTED_MEDIA_TYPE",
    ],
  ])("of %s are refused", async (_, bytes, status, code) => {
    const answer = await exchange(bytes);
    expect(statusOf(answer)).toBe(status);
    expect(codeOf(answer)).toBe(code);
    await expectAlive();
  });

  it("that pollute prototypes are data", async () => {
    const body = '{"id":"p","__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}';
    expect(statusOf(await exchange(post("application/json", body)))).toBe(201);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
    const answer = await exchange(head("GET /v1/collections/hostile/documents/p", LAST));
    expect(answer).toContain('"__proto__":{"polluted":1}');
  });

  it.each([
    ["a filter on a prototype", "find", '{"filter":{"__proto__":{"polluted":1}}}', 200],
    ["a filter on a constructor", "find", '{"filter":{"constructor.prototype.polluted":1}}', 200],
    ["a filter of code", "count", '{"filter":{"$where":"while(true);"}}', 400],
    ["a very deep filter", "find", `{"filter":${'{"not":{"a":'.repeat(200)}1${"}}".repeat(200)}}`, 400],
    ["a very long list", "find", `{"filter":{"a":{"in":[${"1,".repeat(40_000)}1]}}}`, 200],
    ["an order of SQL", "find", '{"orderBy":{"id; DROP TABLE users":"asc"}}', 200],
    ["a direction of SQL", "find", '{"orderBy":{"id":"asc; DROP TABLE users"}}', 400],
    ["very many paths", "find", `{"select":[${'"a",'.repeat(5_000)}"b"]}`, 400],
    ["a limit beyond all numbers", "find", '{"limit":1e300}', 400],
    ["a cursor of one's own", "find", '{"after":"WyJ4IiwxXQ"}', 400],
    ["a change of a prototype", "documents/1/changes", '{"set":{"__proto__.polluted":1}}', 404],
    ["a change of a constructor", "documents/1/changes", '{"set":{"constructor.prototype.polluted":1}}', 404],
    ["a change of the id", "documents/1/changes", '{"set":{"id":"2"}}', 400],
    ["a push to a prototype", "find-one-and-update", '{"changes":{"push":{"__proto__":1}}}', 200],
  ])("of %s, for %s, are taken as data or refused", async (_, route, body, status) => {
    const answer = await exchange(
      head(
        `POST /v1/collections/nothing/${route}`,
        "Content-Type: application/json",
        `Content-Length: ${body.length}`,
        LAST,
      ) + body,
    );
    expect(statusOf(answer)).toBe(status);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
    await expectAlive();
  });

  const chunked = (type: string, chunks: string): string =>
    head("POST /v1/collections/hostile/documents", `Content-Type: ${type}`, "Transfer-Encoding: chunked") +
    chunks;

  it.each([
    ["a size that is no number", "zz\r\n{}\r\n0\r\n\r\n"],
    ["a size below 0", "-1\r\n{}\r\n0\r\n\r\n"],
    ["a size beyond all numbers", `${"f".repeat(20)}\r\n{}\r\n0\r\n\r\n`],
    ["more than its size", "1\r\n{}{}{}\r\n0\r\n\r\n"],
    ["an extension without an end", `2;${"x".repeat(100_000)}`],
  ])("of chunks with %s end the connection", async (_, chunks) => {
    for (const type of ["application/json", "application/x-ndjson"]) {
      const answer = await exchange(chunked(type, chunks));
      if (answer !== "") expect([400, 413]).toContain(statusOf(answer));
      await expectAlive();
    }
  });

  it("that stop in their middle end by a time limit, as one JSON text and as NDJSON", async () => {
    const json = head("POST /v1/query", "Content-Type: application/json", "Content-Length: 1000");
    const answer = await exchange(`${json}{"query":`);
    if (answer !== "") expect(statusOf(answer)).toBe(408);
    const lines = await exchange(chunked("application/x-ndjson", '8\r\n{"id":"s\r\n'));
    expect(statusOf(lines)).toBe(408);
    await expectAlive();
  });

  it("whose client closes its half, or all, at once leave nothing behind", async () => {
    for (const type of ["application/json", "application/x-ndjson"]) {
      for (const end of [
        (s: Socket) => s.end(),
        (s: Socket) => s.destroy(),
        (s: Socket) => s.resetAndDestroy(),
      ]) {
        const socket = await dialled();
        socket.write(
          head("POST /v1/collections/hostile/documents", `Content-Type: ${type}`, "Content-Length: 50"),
        );
        socket.write('{"id":"half"');
        await sleep(5);
        end(socket);
        socket.resume();
        if (!socket.destroyed) await once(socket, "close");
      }
    }
    await expectAlive();
    const there = await exchange(head("GET /v1/collections/hostile/documents/half", LAST));
    expect(statusOf(there)).toBe(404);
  });
});

describe("many", () => {
  it("requests of one connection are answered in their order, up to one that can't be read", async () => {
    const ids = Array.from({ length: 200 }, (_, n) => `none${n}`);
    const requests = ids.map((id) => head(`GET /v1/collections/users/documents/${id}`)).join("");
    const answer = await exchange(`${requests}NONSENSE\r\n\r\n`);
    const told = [...answer.matchAll(/"id":"(none\d+)"/g)].map(([, id]) => id);
    expect(told).toEqual(ids);
    expect(answer.match(/HTTP\/1\.1 \d{3}/g)?.at(-1)).toBe("HTTP/1.1 400");
  });

  it("10 000 requests under way at once are all answered, more are refused, and nothing of them stays", async () => {
    // A loaded machine takes long for all of them.
    const db = await open("sqlite::memory:", { pool: { acquireTimeoutMs: Number.POSITIVE_INFINITY } });
    const limits = { maxRequests: 9_000, requestsPerSecond: 1e6, bodyTimeoutMs: 60_000 };
    const crowded = await serve(db, { port: 0, apiKey: KEY, limits });
    const body = '{"query":"INTROSPECT COLLECTIONS"}';
    const before = head(
      "POST /v1/query",
      "Content-Type: application/json",
      `Content-Length: ${body.length}`,
      LAST,
    );
    const answers = new Map<number, number>();
    const sockets: Socket[] = [];
    const ends: Promise<unknown>[] = [];
    for (let n = 0; n < 10_000; n++) {
      const socket = await dialled(crowded.port);
      let first: number | undefined;
      socket.on("data", (part) => {
        if (first !== undefined) return;
        first = statusOf(part.toString("latin1"));
        answers.set(first, (answers.get(first) ?? 0) + 1);
      });
      ends.push(once(socket, "close"));
      socket.write(before + body.slice(0, 5));
      sockets.push(socket);
    }
    // Those above the limit are told so before they have sent their bodies.
    while ((answers.get(503) ?? 0) < 1_000) await sleep(10);
    expect([...answers]).toEqual([[503, 1_000]]);
    for (const socket of sockets) socket.write(body.slice(5));
    await Promise.all(ends);
    expect(answers).toEqual(
      new Map([
        [503, 1_000],
        [200, 9_000],
      ]),
    );
    expect(db.pool.stats()).toMatchObject({ inUse: 0, waiting: 0 });
    await crowded.close();
  });
});
