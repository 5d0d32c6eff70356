import type { Readable } from "node:stream";
import type { FormDB } from "@formdb/perf";
import { Ajv, type ErrorObject } from "ajv";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { show } from "../message.ts";
import { pageDocument } from "../page/page-document.ts";
import { parseJson } from "../read/parse-json.ts";
import { decodeUtf8 } from "../read/text.ts";
import { type Access, allows, Gate, isLoopback } from "./access.ts";
import { collectionRoutes } from "./collection-routes.ts";
import { documentRoutes, schemaRoutes } from "./document-routes.ts";
import { tellPaths } from "./known-paths.ts";
import { liveRoutes } from "./live-routes.ts";
import { harmless } from "./log.ts";
import { OpenApi } from "./openapi.ts";
import { probeRoutes } from "./probe-routes.ts";
import { queryRoute } from "./query-route.ts";
import { RateLimit } from "./rate-limit.ts";
import { NO_QUERY } from "./schemas.ts";
import { type ApiOptions, limitsOf } from "./server-options.ts";
import { answerTo, HEADERS, HttpError, ofFastify } from "./status.ts";
import { wrongInput } from "./wrong-input.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** What a request must be allowed; without it, everything. */
    access?: Access;
    takesNdjson?: boolean;
  }
  interface FastifySchema {
    summary?: string;
  }
  interface FastifyRequest {
    /** What the request's key allows. */
    formdbAccess: Access;
    /** Ends the connection of a request whose body does not come. */
    formdbBodyDeadline: NodeJS.Timeout | undefined;
  }
}

export interface PluginOptions extends ApiOptions {
  readonly db: FormDB;
  /** Fires when the service drains: `/ready` says so and uploads end. Default: never. */
  readonly draining?: AbortSignal | undefined;
}

/** Those that protect a document which a browser shows. */
const PAGE_HEADERS = Object.freeze({ "referrer-policy": "no-referrer", "x-frame-options": "DENY" });

/**
 * The HTTP API as a Fastify plugin, for a service of one's own: `app.register(formdbApi, { prefix: "/db", db })`. Its
 * hooks, parsers and errors are those of its own routes alone.
 */
export async function formdbApi(app: FastifyInstance, options: PluginOptions): Promise<void> {
  const { db, draining = new AbortController().signal } = options;
  const log = harmless(options.logger ?? app.log);
  const limits = limitsOf(options.limits);
  const gate = new Gate(options);
  const rate = new RateLimit(limits.requestsPerSecond);
  const wrongKeys = new RateLimit(limits.wrongKeysPerSecond);
  let underWay = 0;
  const leave = (): void => {
    underWay--;
  };
  /** The `Host` that was found to be this machine: nearly all requests have the same. */
  let knownHost: string | undefined;

  // Requests are taken as they are: nothing is coerced, filled in or removed.
  const ajv = new Ajv({ allErrors: false, strict: false, verbose: true });
  app.setValidatorCompiler(({ schema }) => ajv.compile(schema as object));
  app.setSchemaErrorFormatter((errors, part) => wrongInput(errors as ErrorObject[], part));
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.decorateRequest("formdbAccess", "open");
  app.decorateRequest("formdbBodyDeadline", undefined);

  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    "application/json",
    { parseAs: "buffer", bodyLimit: limits.maxBodyBytes },
    (request: FastifyRequest, bytes, done) => {
      clearTimeout(request.formdbBodyDeadline);
      try {
        const text = decodeUtf8(bytes as Buffer);
        if (text === undefined) throw new HttpError("HTTP_BAD_REQUEST", "The body must be UTF-8, and is not");
        if (text === "") {
          const { schema, config } = request.routeOptions;
          // Clients that tell a type with each request tell it where there is no body, too.
          if (schema?.body === undefined && config.takesNdjson !== true) return done(null);
        }
        done(null, parseJson(text, notJson));
      } catch (error) {
        done(error as Error);
      }
    },
  );
  app.addContentTypeParser("application/x-ndjson", (request: FastifyRequest, body: Readable, done) => {
    // It is read as a stream, which has a time of its own.
    clearTimeout(request.formdbBodyDeadline);
    if (request.routeOptions.config.takesNdjson === true) done(null, body);
    else
      done(
        new HttpError(
          "HTTP_UNSUPPORTED_MEDIA_TYPE",
          "The body must be application/json; NDJSON is taken for inserting documents alone",
        ),
      );
  });

  app.addHook("onRequest", (request, reply, done) => {
    reply.headers(HEADERS);
    reply.header("x-request-id", request.id);
    refuseCodings(request.headers);
    const { access = "full" } = request.routeOptions.config;
    if (gate.isOpen && request.headers.host !== knownHost) {
      if (!isLoopback(hostOf(request))) {
        throw new HttpError(
          "HTTP_MISDIRECTED",
          "A server without a key answers requests to localhost alone: the Host header must name it",
        );
      }
      knownHost = request.headers.host;
    }
    const holder = gate.holderOf(request.headers);
    const now = performance.now();
    if (holder === undefined) {
      refuseAbove(wrongKeys.take(request.ip, now), reply);
      throw unauthorized(reply, "The key is not one of this server's");
    }
    if (!allows(holder.access, access)) {
      if (holder.access === "open")
        throw unauthorized(
          reply,
          `This needs a key, as Authorization: Bearer KEY or X-API-Key: KEY: ${keyFor(access)}`,
        );
      throw new HttpError("HTTP_FORBIDDEN", `This needs another key: ${keyFor(access)}`);
    }
    request.formdbAccess = holder.access;
    if (access !== "open") {
      refuseAbove(rate.take(holder.name === "" ? request.ip : holder.name, now), reply);
      if (draining.aborted) throw new HttpError("HTTP_UNAVAILABLE", "The server is ending");
    }
    if (underWay >= limits.maxRequests) {
      reply.header("retry-after", "1");
      throw new HttpError(
        "HTTP_UNAVAILABLE",
        `More than ${limits.maxRequests} requests at once are not served`,
      );
    }
    underWay++;
    reply.raw.on("close", leave);
    if (hasBody(request)) setBodyDeadline(request, reply, limits.bodyTimeoutMs);
    done();
  });
  // Without a prefix the paths that are not ours are those of the service.
  const notFound = app.prefix === "" ? undefined : tellPaths(app);
  app.setErrorHandler((error, request, reply) => {
    if (request.is404 && notFound !== undefined) return notFound(request, reply);
    const { headers } = request;
    const refusal = ofFastify(error, { headers, maxBodyBytes: limits.maxBodyBytes });
    const { status, body } = answerTo(refusal, request.id);
    if (status >= 500)
      log.error({ reqId: request.id, err: error, code: body.error.code }, "a request failed");
    // A connection that is closed with a part of the body unread is reset, and the answer with it.
    if (status === 413) reply.removeHeader("connection");
    return reply.code(status).send(body);
  });

  const api = new OpenApi();
  const v1 = `${app.prefix.replace(/\/$/, "")}/v1/`;
  app.addHook("onRoute", (route) => {
    if (route.url.startsWith(v1)) route.schema = { querystring: NO_QUERY, ...route.schema };
    api.add(route, app.prefix);
  });
  const tools = { db, limits, draining, log };
  pageRoute(app);
  probeRoutes(app, tools);
  liveRoutes(app, db, limits);
  queryRoute(app, tools);
  schemaRoutes(app, db);
  documentRoutes(app, tools);
  collectionRoutes(app, tools);
  app.get(
    "/openapi.json",
    { config: { access: "open" }, schema: { summary: "This description" } },
    async () => api.document(),
  );
}

/** The live page, which asks for a key itself where one is needed. It brings the policy that lets its own script run. */
function pageRoute(app: FastifyInstance): void {
  const { html, contentSecurityPolicy } = pageDocument();
  app.get(
    "/",
    { config: { access: "open" }, schema: { summary: "The live page" } },
    async ({ url }, reply) => {
      const path = url.replace(/[?#].*$/s, "");
      // The page asks beside itself for all that it shows.
      if (!path.endsWith("/")) return reply.redirect(`./${path.slice(path.lastIndexOf("/") + 1)}/`, 308);
      return reply
        .headers(PAGE_HEADERS)
        .header("content-security-policy", contentSecurityPolicy)
        .type("text/html; charset=utf-8")
        .serializer((text: string) => text)
        .send(html);
    },
  );
}

function hasBody({ headers }: FastifyRequest): boolean {
  return headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
}

/** Ends a connection whose body does not come. One that nobody reads, as of a GET, has come all the same. */
function setBodyDeadline(request: FastifyRequest, reply: FastifyReply, timeoutMs: number): void {
  const { raw } = request;
  const deadline = setTimeout(() => {
    if (!raw.complete) raw.destroy();
  }, timeoutMs).unref();
  request.formdbBodyDeadline = deadline;
  reply.raw.on("close", () => clearTimeout(deadline));
}

/** The name that the client believes it talks to: a page elsewhere can't change it. */
function hostOf(request: FastifyRequest): string {
  return (request.headers.host ?? "").replace(/:\d+$/, "");
}

/** A body that is packed, or framed in a way that others may read otherwise. */
function refuseCodings(headers: FastifyRequest["headers"]): void {
  const packed = headers["content-encoding"];
  if (packed !== undefined && packed !== "identity") {
    throw new HttpError(
      "HTTP_UNSUPPORTED_MEDIA_TYPE",
      `A body must have no Content-Encoding, not ${show(packed)}`,
    );
  }
  const framed = headers["transfer-encoding"];
  if (framed !== undefined && framed.toLowerCase() !== "chunked") {
    throw new HttpError(
      "HTTP_BAD_REQUEST",
      `A body's Transfer-Encoding must be chunked, or none, not ${show(framed)}`,
    );
  }
}

function refuseAbove(waitMs: number, reply: FastifyReply): void {
  if (waitMs === 0) return;
  reply.header("retry-after", String(Math.ceil(waitMs / 1_000)));
  throw new HttpError("HTTP_TOO_MANY_REQUESTS", "There were too many requests; wait as Retry-After says");
}

function unauthorized(reply: FastifyReply, message: string): HttpError {
  reply.header("www-authenticate", "Bearer");
  return new HttpError("HTTP_UNAUTHORIZED", message);
}

function keyFor(access: Access): string {
  if (access === "metrics") return "one for metrics, for reading, or the full one";
  return access === "read" ? "one for reading, or the full one" : "the full one";
}

function notJson(why: string): HttpError {
  return new HttpError("HTTP_BAD_REQUEST", `The body must be JSON: ${why}`);
}
