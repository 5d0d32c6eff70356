import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { FormDB } from "@formdb/perf";
import { pageDocument } from "../../src/page/page-document.ts";
import { CALM } from "../live/live-events.ts";

const KEY = "a-key-of-the-test";

/** What the page needs of a server: the page, events, statements and queries of a database. */
export class PageServer implements AsyncDisposable {
  readonly #db: FormDB;
  readonly #needsKey: boolean;
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  readonly #started = Date.now();
  #port = 0;

  constructor(db: FormDB, { needsKey = false }: { readonly needsKey?: boolean } = {}) {
    this.#db = db;
    this.#needsKey = needsKey;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url === "/") {
      const { html, contentSecurityPolicy } = pageDocument();
      response.writeHead(200, {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": contentSecurityPolicy,
      });
      response.end(html);
      return;
    }
    if (this.#needsKey && request.headers.authorization !== `Bearer ${KEY}`) {
      response
        .writeHead(401)
        .end(JSON.stringify({ error: { message: "The key is not one of this server's" } }));
      return;
    }
    try {
      if (request.url === "/v1/events") this.#sendEvents(response);
      else if (request.url === "/v1/statements") {
        response.end(JSON.stringify({ statements: this.#db.statements() }));
      } else {
        const { query, params } = JSON.parse(await text(request)) as { query: string; params: unknown[] };
        response.end(JSON.stringify(await this.#db.query(query, params)));
      }
    } catch (error) {
      response.writeHead(400).end(JSON.stringify({ error: { message: (error as Error).message } }));
    }
  }

  #sendEvents(response: ServerResponse): void {
    response.writeHead(200, { "content-type": "text/event-stream" });
    let before = this.#queries();
    const send = (): void => {
      const total = this.#queries();
      const queries = { ...CALM.queries, count: total - before, total };
      before = total;
      const event = {
        ...CALM,
        time: Date.now(),
        uptimeMs: Date.now() - this.#started,
        intervalMs: 200,
        queries,
      };
      response.write(`event: sample\ndata: ${JSON.stringify(event)}\n\n`);
    };
    send();
    const timer = setInterval(send, 200);
    response.on("close", () => clearInterval(timer));
  }

  #queries(): number {
    return this.#db.statements().reduce((sum, { calls }) => sum + calls, 0);
  }
}

export { KEY };
