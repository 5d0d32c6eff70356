import { once } from "node:events";
import { Agent, get, type IncomingMessage, request } from "node:http";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type FormDB, open } from "@formdb/perf";
import { expect, it } from "vitest";
import { type FormServer, serve } from "../../src/server.ts";

const HOUR_MS = 3_600_000;

async function started(): Promise<{ readonly db: FormDB; readonly server: FormServer }> {
  const db = await open("sqlite::memory:");
  return { db, server: await serve(db, { port: 0 }) };
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const part of response.setEncoding("utf8")) text += part;
  return text;
}

/** All that comes until the server ends the connection. */
async function allOf(socket: Socket): Promise<string> {
  let text = "";
  for await (const part of socket.setEncoding("utf8")) text += part;
  return text;
}

it("an answer that is on its way when the server closes arrives whole, and its connection then ends", async () => {
  const { db, server } = await started();
  const text = "x".repeat(1_000_000);
  await db.batchInsert(
    "big",
    Array.from({ length: 20 }, (_, n) => ({ id: `${n}`, text })),
  );
  const agent = new Agent({ keepAlive: true });
  const asked = request(`${server.url}/v1/query`, {
    agent,
    method: "POST",
    headers: { "content-type": "application/json" },
  }).end(JSON.stringify({ query: "SELECT * FROM big" }));
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  const closed = server.close({ deadlineMs: HOUR_MS });
  await sleep(50);
  expect(JSON.parse(await bodyOf(response)).rowCount).toBe(20);
  expect(await closed).toMatchObject({ undelivered: [] });
  agent.destroy();
});

it("connections that wait for a request end with the server", async () => {
  const { server } = await started();
  const agent = new Agent({ keepAlive: true });
  const [response] = (await once(get(`${server.url}/health`, { agent }), "response")) as [IncomingMessage];
  await bodyOf(response);
  const silent = connect(server.port, "127.0.0.1");
  await once(silent, "connect");
  const end = allOf(silent);
  await server.close({ deadlineMs: HOUR_MS });
  expect(await end).toBe("");
  agent.destroy();
});

it("an upload whose client is gone does not hold up the end of the server", async () => {
  const { db, server } = await started();
  const socket = connect(server.port, "127.0.0.1");
  socket.write(
    "POST /v1/collections/users/documents HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\n" +
      `content-length: 100000000\r\n\r\n${'{"n":1}\n'.repeat(100_000)}`,
  );
  while ((await db.listCollections()).length === 0) await sleep(5);
  socket.destroy();
  await once(socket, "close");
  expect(await server.close({ deadlineMs: HOUR_MS })).toMatchObject({ undelivered: [] });
});

it("a client that reads nothing before it has sent all gets the answer to a body that is too large", async () => {
  const { server } = await started();
  const socket = connect(server.port, "127.0.0.1");
  socket.pause();
  const body = Buffer.alloc(40 * 1024 * 1024, " ");
  socket.write(
    "POST /v1/query HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n" +
      `content-length: ${body.length}\r\n\r\n`,
  );
  await new Promise((resolve) => socket.write(body, resolve));
  await sleep(50);
  socket.end();
  const answer = await allOf(socket);
  expect(answer).toContain("HTTP/1.1 413 ");
  expect(answer).toContain("HTTP_TOO_LARGE");
  await server.close();
});

it("a client that goes on sending behind its answer is cut off after a time", async () => {
  const { server } = await started();
  const socket = connect(server.port, "127.0.0.1").on("error", () => {});
  socket.write(
    "POST /v1/query HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n",
  );
  const sending = setInterval(() => socket.write("1\r\nx\r\n"), 20);
  let answer = "";
  socket.on("data", (part) => {
    answer += part;
  });
  // Being reset is an end too.
  await new Promise((resolve) => socket.once("close", resolve));
  clearInterval(sending);
  expect(answer).toContain("HTTP/1.1 415 ");
  await server.close({ deadlineMs: HOUR_MS });
});

it("early answers leave nothing on a connection that is used again", async () => {
  const { server } = await started();
  const warnings: Error[] = [];
  const onWarning = (warning: Error): unknown => warnings.push(warning);
  process.on("warning", onWarning);
  const socket = connect(server.port, "127.0.0.1");
  const answers = socket.setEncoding("utf8")[Symbol.asyncIterator]();
  for (let n = 0; n < 30; n++) {
    socket.write(
      "POST /v1/query HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\n",
    );
    expect((await answers.next()).value).toContain("HTTP/1.1 415 ");
    socket.write("{}");
  }
  socket.destroy();
  await server.close();
  process.off("warning", onWarning);
  expect(warnings).toEqual([]);
});
