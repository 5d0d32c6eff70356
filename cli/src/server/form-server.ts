import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";
import type { AddressInfo } from "node:net";
import { type CloseResult, type FormDB, FormDBError } from "@formdb/perf";
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";
import { configError, messageOf, show } from "../message.ts";
import { Gate, isLoopback } from "./access.ts";
import { Connections } from "./connections.ts";
import { tellPaths } from "./known-paths.ts";
import { formdbApi } from "./plugin.ts";
import { type ApiOptions, limitsOf, MAX_TIMER_MS } from "./server-options.ts";
import { answerTo, HEADERS, MAX_PARAM_LENGTH, ofFastify } from "./status.ts";

export interface FormServerOptions extends ApiOptions {
  /** Default `127.0.0.1`. Another address than a loopback one needs `apiKey`. */
  readonly host?: string | undefined;
  /** Default 8080; 0 takes any free port. */
  readonly port?: number | undefined;
  /** Whether `requestId()` knows the request under way. Default: no; it costs a part of every request. */
  readonly tagsCalls?: boolean | undefined;
  /** Adds routes of one's own, before the server listens. */
  readonly extend?: ((app: FastifyInstance) => void) | undefined;
}

/** Milliseconds for a request's head to arrive, against clients that send a byte now and then. */
const HEADERS_TIMEOUT_MS = 10_000;
const HEADERS_CHECK_MS = 2_000;
/** Milliseconds in which nothing moves on a connection whose client does not wait for an answer. */
const IDLE_CONNECTION_MS = 60_000;
const MAX_CONNECTIONS = 20_000;
/** What closing may take unless told otherwise. */
const CLOSE_DEADLINE_MS = 10_000;

const requestIds = new AsyncLocalStorage<string>();

/** The id of the request under way, to tag what is logged on its behalf; undefined outside of one, and without `tagsCalls`. */
export function requestId(): string | undefined {
  return requestIds.getStore();
}

/** A server of the HTTP API over one database. */
export interface FormServer {
  readonly url: string;
  readonly port: number;
  /**
   * Takes no more requests, lets those under way end, settles what uploads have sent, then closes the database. What
   * is not done by the deadline (10 seconds) is cut off. Resolves to what could not be delivered.
   */
  close(options?: { readonly deadlineMs?: number | undefined }): Promise<CloseResult>;
}

const OPTIONS: Readonly<Record<keyof FormServerOptions, true>> = {
  host: true,
  port: true,
  apiKey: true,
  readKey: true,
  metricsKey: true,
  limits: true,
  logger: true,
  tagsCalls: true,
  extend: true,
};

/** A key under a wrong name would leave the server open. */
function refuseUnknown(options: FormServerOptions): void {
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(OPTIONS, name));
  if (unknown === undefined) return;
  throw configError(`The server has no option ${show(unknown)}; it has ${Object.keys(OPTIONS).join(", ")}`);
}

/**
 * Serves a database, which the server closes when it is closed. Throws `FORMDB_CONFIG` for options that can't be, or if it can't
 * listen.
 */
export async function serve(db: FormDB, options: FormServerOptions = {}): Promise<FormServer> {
  const { host = "127.0.0.1", port = 8080, tagsCalls = false, extend } = options;
  refuseUnknown(options);
  if (!isLoopback(host) && !new Gate(options).hasFullKey) {
    throw new FormDBError(
      "FORMDB_CONFIG",
      `The server can't listen on ${host} without a key: set FORMDB_API_KEY, or listen on 127.0.0.1`,
    );
  }
  const draining = new AbortController();
  let connections: Connections | undefined;
  // An id for each request, which no other start of a server gives again: a random one each costs a tenth of a read.
  const start = randomBytes(9).toString("base64url");
  let requests = 0;
  const app = fastify({
    // It has no logger: with one it listens to the end of each answer. The plugin logs by itself.
    genReqId: () => `${start}-${(++requests).toString(36)}`,
    connectionTimeout: IDLE_CONNECTION_MS,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    http: {
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: HEADERS_CHECK_MS,
      // A request without a body has no stream to be ended: a tenth of a read.
      optimizeEmptyRequests: true,
    },
    requestTimeout: 0,
    forceCloseConnections: "idle",
    return503OnClosing: false,
    clientErrorHandler: (error, socket) => connections?.refuse(socket, refusalOf(error)),
    frameworkErrors: (error, request, reply) => {
      const { maxBodyBytes } = limitsOf(options.limits);
      const refusal = ofFastify(error, { headers: request.headers, maxBodyBytes });
      const { status, body } = answerTo(refusal, request.id);
      void (reply as FastifyReply).headers(HEADERS).code(status).send(body);
    },
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  app.addHook("onRequest", tellOfNoBody);
  connections = new Connections(app.server);
  if (tagsCalls) app.addHook("preHandler", (request, _reply, done) => requestIds.run(request.id, done));
  const notFound = tellPaths(app);
  // Fastify reads the body first, and a body that it can't read changes nothing.
  app.setErrorHandler((error, request, reply) => {
    if (!request.is404) throw error;
    return notFound(request, reply);
  });
  app.register(formdbApi, { ...options, db, draining: draining.signal });
  if (extend !== undefined) app.register(async (own) => extend(own));
  try {
    await app.listen({ host, port });
  } catch (cause) {
    await app.close();
    if (cause instanceof FormDBError) throw cause;
    const { code = messageOf(cause) } = cause as NodeJS.ErrnoException;
    const why = code === "EADDRINUSE" ? "a server listens there already; choose another port" : code;
    throw new FormDBError("FORMDB_CONFIG", `The server can't listen on ${host}, port ${port}: ${why}`, {
      cause,
    });
  }
  const address = app.server.address() as AddressInfo;
  const name = host.includes(":") ? `[${host}]` : host;
  let closing: Promise<CloseResult> | undefined;
  return {
    url: `http://${name}:${address.port}`,
    port: address.port,
    close: ({ deadlineMs = CLOSE_DEADLINE_MS } = {}) => {
      closing ??= drain(app, db, draining, deadlineMs);
      return closing;
    },
  };
}

/**
 * Fastify waits for the end of a body whose type is told. A request with neither a length nor a coding has none, and with
 * `optimizeEmptyRequests` its end has been. NDJSON is read as a stream, which knows.
 */
function tellOfNoBody({ headers, raw }: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  const type = headers["content-type"];
  if (type !== undefined && raw.readableEnded && !type.startsWith("application/x-ndjson")) {
    delete headers["content-type"];
  }
  done();
}

async function drain(
  app: FastifyInstance,
  db: FormDB,
  draining: AbortController,
  deadlineMs: number,
): Promise<CloseResult> {
  const start = performance.now();
  draining.abort();
  // The database needs time too, for what is in its queue.
  const cut = setTimeout(() => app.server.closeAllConnections(), Math.min(deadlineMs * 0.7, MAX_TIMER_MS));
  await app.close();
  clearTimeout(cut);
  return db.close({ deadlineMs: Math.max(0, deadlineMs - (performance.now() - start)) });
}

/** The answer to what is no HTTP, or too much of it, before there is a request. */
function refusalOf({ code }: NodeJS.ErrnoException): string {
  const [status, name] =
    code === "HPE_HEADER_OVERFLOW"
      ? ["431 Request Header Fields Too Large", "HTTP_TOO_LARGE"]
      : code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? ["408 Request Timeout", "HTTP_TIMEOUT"]
        : ["400 Bad Request", "HTTP_BAD_REQUEST"];
  const body = JSON.stringify({
    error: { code: name, message: "The request can't be read", retryable: false },
  });
  const headers = { ...HEADERS, "content-type": "application/json", "content-length": body.length };
  const lines = Object.entries({ ...headers, connection: "close" }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  return [`HTTP/1.1 ${status}`, ...lines, "", body].join("\r\n");
}
