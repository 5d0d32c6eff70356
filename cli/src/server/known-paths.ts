import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from "fastify";
import { show } from "../message.ts";
import { answerTo, HEADERS, HttpError } from "./status.ts";

interface KnownPath {
  readonly pattern: RegExp;
  readonly methods: Set<string>;
}

/** Answers a request without a route. */
export type NotFound = (request: FastifyRequest, reply: FastifyReply) => FastifyReply;

/** Tells who asks for a path or a method that is not there which there are, of the routes that are added from now on. */
export function tellPaths(app: FastifyInstance): NotFound {
  const paths = new KnownPaths(app.prefix);
  app.addHook("onRoute", (route) => paths.add(route));
  const notFound: NotFound = (request, reply) => {
    const { error, allow } = paths.refusalOf(request.method, request.url);
    if (allow !== undefined) reply.header("allow", allow);
    const { status, body } = answerTo(error, request.id);
    // Fastify would close the connection where it could not read the body, which changes nothing here.
    return reply.removeHeader("connection").headers(HEADERS).code(status).send(body);
  };
  app.setNotFoundHandler(notFound);
  return notFound;
}

/** What a request without a route is answered with. */
interface NoRoute {
  readonly error: HttpError;
  /** The methods that its path takes, for the header `Allow`. */
  readonly allow?: string;
}

/** The paths that a server has, to tell a request that asks for another path or method which there are. */
class KnownPaths {
  readonly #prefix: string;
  readonly #paths: Map<string, KnownPath> = new Map();

  /** What the paths of all routes begin with. */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  add({ url, method }: RouteOptions): void {
    let path = this.#paths.get(url);
    if (path === undefined) {
      path = { pattern: patternOf(url), methods: new Set() };
      this.#paths.set(url, path);
    }
    for (const one of [method].flat()) path.methods.add(one);
  }

  refusalOf(method: string, url: string): NoRoute {
    const path = url.replace(/[?#].*$/s, "");
    const methods = this.#methodsOf(path);
    if (methods.length > 0) {
      const allow = methods.join(", ");
      return {
        error: new HttpError("HTTP_METHOD_NOT_ALLOWED", `${show(path)} takes ${allow}, not ${method}`),
        allow,
      };
    }
    const prefix = this.#prefix;
    const own = (path.startsWith(prefix) ? path.slice(prefix.length) : path).replace(/\/+$/, "");
    const near = [`${prefix}/v1${own}`, `${prefix}${own}`].find((other) => this.#methodsOf(other).length > 0);
    const hint = near === undefined ? "" : `; did you mean ${show(near)}?`;
    return {
      error: new HttpError(
        "HTTP_NOT_FOUND",
        `There is no path ${show(path)}${hint === "" ? `; GET ${prefix}/openapi.json describes those that there are` : hint}`,
      ),
    };
  }

  #methodsOf(path: string): string[] {
    const found = [...this.#paths.values()].filter(({ pattern }) => pattern.test(path));
    return [...new Set(found.flatMap(({ methods }) => [...methods]))].toSorted();
  }
}

/** What a route's path matches: `:name` is one part. */
function patternOf(url: string): RegExp {
  const parts = url
    .split("/")
    .map((part) => (part.startsWith(":") ? "[^/]+" : part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")));
  return new RegExp(`^${parts.join("/")}$`);
}
