/** Requests a second to `formdb serve` and to a Fastify server over better-sqlite3 by hand, each in a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import autocannon from "autocannon";
import { type Measured, summary } from "./harness/compare.ts";
import { makeDocuments } from "./harness/documents.ts";
import { report } from "./harness/report.ts";
import { temporaryFile } from "./harness/temporary.ts";

const COUNT = 10_000;
const CONNECTIONS = 50;
const SECONDS = 0.5;
const ROUNDS = 41;

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

interface Server {
  readonly name: string;
  readonly url: string;
}

const children: ChildProcess[] = [];

async function started(name: string, ...args: string[]): Promise<Server> {
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  let text = "";
  for await (const part of child.stdout.iterator({ destroyOnReturn: false })) {
    text += String(part);
    const url = /at (http:\S+)\n/.exec(text)?.[1];
    if (url !== undefined) return { name, url };
  }
  throw new Error(`${name} ended before it listened`);
}

const limit = ["--requests-per-second", "1000000000"];
const servers = [
  await started(
    "formdb serve",
    file("../cli/dist/main.js"),
    "serve",
    "--port",
    "0",
    "--log-level",
    "error",
    "--db",
    `sqlite:${temporaryFile()}`,
    ...limit,
  ),
  await started("Fastify and better-sqlite3 by hand", file("harness/bare-server.ts"), temporaryFile()),
];

const DOCUMENTS = "/v1/collections/users/documents";
const json = { "content-type": "application/json" };
const documents = makeDocuments(COUNT);

async function send(url: string, method: string, body: unknown): Promise<void> {
  const response = await fetch(url, { method, headers: json, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${await response.text()}`);
}

for (const { url } of servers) {
  for (let i = 0; i < COUNT; i += 100) {
    await Promise.all(documents.slice(i, i + 100).map((document) => send(url + DOCUMENTS, "POST", document)));
  }
}
await send(`${servers[0]!.url}/v1/query`, "POST", { query: "CREATE INDEX by_city ON users (address.city)" });

/** Sends requests of one kind over many connections for some time; all must be answered well. Gives answers a second. */
async function shoot({ url }: Server, request: autocannon.Request): Promise<number> {
  const shot = await autocannon({ url, connections: CONNECTIONS, duration: SECONDS, requests: [request] });
  const { errors, non2xx, duration } = shot;
  if (errors + non2xx > 0) throw new Error(`${url}: ${errors} errors, ${non2xx} answers that are none`);
  return shot["2xx"] / duration;
}

/** The servers take turns; the first turn of each is not counted. */
async function measure(request: autocannon.Request): Promise<Measured[]> {
  const rates = new Map<Server, number[]>(servers.map((server) => [server, []]));
  for (let round = 0; round <= ROUNDS; round++) {
    for (const server of round % 2 === 0 ? servers : servers.toReversed()) {
      const rate = await shoot(server, request);
      if (round > 0) rates.get(server)!.push(rate);
    }
  }
  return servers.map((server) => summary(server.name, rates.get(server)!));
}

let n = 0;
const scenarios: Readonly<Record<string, autocannon.Request>> = {
  "Reads of a document by id": {
    method: "GET",
    setupRequest: (request) => ({ ...request, path: `${DOCUMENTS}/${documents[n++ % COUNT]!.id}` }),
  },
  "Queries by an indexed field, 10 rows": {
    method: "POST",
    path: "/v1/query",
    headers: json,
    setupRequest: (request) => ({
      ...request,
      body: JSON.stringify({
        query: "SELECT name, age FROM users WHERE address.city = $1 LIMIT 20",
        params: [`City ${n++ % 1_000}`],
      }),
    }),
  },
  // Last: whoever inserts more would answer the queries with more rows.
  "Inserts of a document, each durable when it is answered": {
    method: "POST",
    path: DOCUMENTS,
    headers: json,
    setupRequest: (request) => ({
      ...request,
      body: JSON.stringify({ ...documents[n % COUNT], id: `new${n++}` }),
    }),
  },
};

try {
  for (const [title, request] of Object.entries(scenarios)) {
    report(`${title}, over HTTP, ${CONNECTIONS} connections`, await measure(request));
  }
} finally {
  for (const child of children) {
    child.kill();
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }
}
