/**
 * The batch processor by itself, with no database: writes go in groups to an HTTP service. Run it:
 * `node examples/http-sink.ts`. It starts the service that it writes to, which fails now and then.
 */
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { FormDBError } from "@formdb/perf";
import { type BatchGroup, BatchProcessor, type OperationResult } from "@formdb/perf/batch";

interface SentGroup {
  readonly token: string;
  readonly operations: readonly { readonly id: string; readonly document: { readonly age: number } }[];
}

// The service: keeps people by id, refuses negative ages, is busy on every third request, and drops the
// connection after it has kept the group on every fifth.
const people = new Map<string, unknown>();
const seen = new Set<string>();
let requests = 0;
const service = createServer(async (request, response) => {
  const number = ++requests;
  if (request.method === "GET") {
    response.writeHead(seen.has(request.url!.slice(1)) ? 200 : 404).end();
    return;
  }
  if (number % 3 === 0) {
    response.writeHead(503).end("busy");
    return;
  }
  const { token, operations } = JSON.parse(await text(request)) as SentGroup;
  if (operations.some(({ document }) => document.age < 0)) {
    response.writeHead(422).end("an age must not be negative");
    return;
  }
  for (const { id, document } of operations) people.set(id, document);
  seen.add(token);
  if (number % 5 === 0) request.socket.destroy();
  else response.writeHead(204).end();
});
await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${(service.address() as AddressInfo).port}`;

// How a group reaches the service, and what its failures mean. A lost answer needs no mapping: the processor
// knows the system's codes, and asks for the token.
async function execute({ token, operations, signal }: BatchGroup): Promise<void> {
  const body = JSON.stringify({
    token,
    operations: operations.map(({ id, document }) => ({ id, document })),
  });
  const response = await fetch(url, { method: "POST", body, signal });
  if (response.ok) return;
  const message = await response.text();
  if (response.status === 503) throw new FormDBError("FORMDB_BUSY", message);
  if (response.status === 422) throw new FormDBError("FORMDB_CONSTRAINT", message);
  throw new FormDBError("FORMDB_ENGINE", `${response.status}: ${message}`);
}

async function lookUpToken(
  token: string,
  { operations }: BatchGroup,
): Promise<OperationResult[] | undefined> {
  const response = await fetch(`${url}/${token}`);
  return response.status === 200 ? operations.map(() => ({})) : undefined;
}

const processor = new BatchProcessor(execute, {
  lookUpToken,
  maxBatchSize: 50,
  backoff: { baseMs: 5 },
  maxRetries: 10,
});
function* newPeople(): Generator<{ id: string; age: number }> {
  for (let i = 0; i < 500; i++) yield { id: `p${i}`, age: i % 100 === 7 ? -1 : i % 90 };
}
const { successful, failed, errors } = await processor.submitAll("upsert", "people", newPeople());
console.log(`${successful} people kept, ${failed} refused, in ${requests} requests`);
for (const { index, id, code, error, attempts } of errors)
  console.log(`  ${index} (${id}): ${code}, ${error}, sent ${attempts} times`);
await processor.close();
service.close();
service.closeAllConnections();
if (people.size !== successful || failed !== 5) throw new Error(`the service holds ${people.size} people`);

async function text(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) body += chunk;
  return body;
}
