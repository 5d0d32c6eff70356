import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { FormDBError, messageOf } from "../base/errors.ts";
import { boolean, checkOptions, integer, string } from "../base/options.ts";
import type { ExportFormat } from "./exposition.ts";
import { acceptsGzip, contentTypeOf, formatFor } from "./negotiate.ts";

/** Where metrics are served, and to whom. */
export interface ListenOptions {
  /** Default `127.0.0.1`. */
  readonly host?: string | undefined;
  /** Default 9464; 0 takes any free port. */
  readonly port?: number | undefined;
  /** Default `/metrics`. */
  readonly path?: string | undefined;
  /** Whether the endpoint keeps the process running; default true. */
  readonly keepAlive?: boolean | undefined;
}

/** A running scrape endpoint. */
export interface ScrapeEndpoint {
  readonly url: string;
  readonly port: number;
  /** Ends it: open connections are closed, the port is free when this resolves. */
  close(): Promise<void>;
}

/** What is served: a store, or the sum of several processes. */
export interface Exporter {
  exportAsync(format: ExportFormat): Promise<string>;
}

/** More scrapes at a time are answered by 503. */
export const MAX_CONCURRENT_SCRAPES = 8;

/** Shorter bodies are sent as they are. */
const MIN_GZIP_LENGTH = 1_024;

const compress = promisify(gzip);

/**
 * Answers a scrape: format by `Accept`, gzip by `Accept-Encoding`, GET and HEAD only. For services that have
 * an HTTP server: call it for the path of your choice.
 */
export function scrapeHandler(
  exporter: Exporter,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  let running = 0;
  return async (request, response) => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("Allow", "GET, HEAD");
      return plain(response, 405, "Metrics are read by GET\n");
    }
    if (running >= MAX_CONCURRENT_SCRAPES) {
      response.setHeader("Retry-After", "1");
      return plain(response, 503, `More than ${MAX_CONCURRENT_SCRAPES} scrapes at a time are not served\n`);
    }
    running++;
    try {
      await answer(exporter, request, response);
    } catch (error) {
      plain(response, 500, `Metrics could not be exported: ${messageOf(error)}\n`);
    } finally {
      running--;
    }
  };
}

async function answer(exporter: Exporter, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const format = formatFor(request.headers.accept);
  const text = await exporter.exportAsync(format);
  let body: Buffer = Buffer.from(text, "utf8");
  response.setHeader("Content-Type", contentTypeOf(format));
  response.setHeader("Vary", "Accept, Accept-Encoding");
  response.setHeader("Cache-Control", "no-store");
  if (body.length >= MIN_GZIP_LENGTH && acceptsGzip(header(request, "accept-encoding"))) {
    body = await compress(body);
    response.setHeader("Content-Encoding", "gzip");
  }
  response.setHeader("Content-Length", body.length);
  response.writeHead(200);
  response.end(request.method === "HEAD" ? undefined : body);
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(",") : value;
}

function plain(response: ServerResponse, status: number, text: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status, {
    "Content-Type": "text/plain; charset=utf-8",
    "X-Content-Type-Options": "nosniff",
  });
  response.end(text);
}

/**
 * Serves metrics at one path of a port, and keeps the process running until `released` fires. Throws `FORMDB_CONFIG` when
 * the port can't be had.
 */
export async function listen(
  metrics: Exporter & { watchEventLoop?(): Promise<() => void> },
  options: ListenOptions = {},
  released?: AbortSignal,
): Promise<ScrapeEndpoint> {
  checkOptions("metrics.listen", options, {
    host: string,
    port: integer(0, 65_535),
    path: (value) =>
      typeof value === "string" && value.startsWith("/") ? undefined : "a path that begins with /",
    keepAlive: boolean,
  });
  const host = options.host ?? "127.0.0.1";
  const path = options.path ?? "/metrics";
  const scrape = scrapeHandler(metrics);
  const server = createServer((request, response) => {
    if ((request.url ?? "").split("?", 1)[0] !== path) {
      plain(response, 404, `Metrics are at ${path}\n`);
      return;
    }
    void scrape(request, response);
  });
  const stopWatching = await metrics.watchEventLoop?.();
  try {
    await bind(server, host, options.port ?? 9_464);
  } catch (error) {
    stopWatching?.();
    throw error;
  }
  const letGo = (): void => {
    server.unref();
    server.on("connection", (socket) => socket.unref());
    server.closeIdleConnections();
  };
  if (options.keepAlive === false || released?.aborted === true) letGo();
  else released?.addEventListener("abort", letGo, { once: true });
  const { port } = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${port}${path}`,
    port,
    close: () => {
      closing ??= new Promise<void>((resolve) => {
        stopWatching?.();
        released?.removeEventListener("abort", letGo);
        server.close(() => resolve());
        server.closeAllConnections();
      });
      return closing;
    },
  };
}

function bind(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.on("error", (cause: NodeJS.ErrnoException) => {
      const why = cause.code === "EADDRINUSE" ? "the port is taken" : cause.message;
      const message = `metrics.listen could not listen on ${host}, port ${port}: ${why}`;
      reject(new FormDBError("FORMDB_CONFIG", message, { cause, details: { option: "port", host, port } }));
    });
    server.listen(port, host, resolve);
  });
}
