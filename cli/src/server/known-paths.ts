import type { RouteOptions } from "fastify";
import { show } from "../message.ts";
import { HttpError } from "./status.ts";

interface KnownPath {
  readonly pattern: RegExp;
  readonly methods: Set<string>;
}

/** What a request without a route is answered with. */
export interface NoRoute {
  readonly error: HttpError;
  /** The methods that its path takes, for the header `Allow`. */
  readonly allow?: string;
}

/** The paths that a server has, to tell a request that asks for another path or method which there are. */
export class KnownPaths {
  readonly #paths: Map<string, KnownPath> = new Map();

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
    const near = [`/v1${path}`, path.replace(/\/+$/, ""), `/v1${path.replace(/\/+$/, "")}`].find(
      (other) => this.#methodsOf(other).length > 0,
    );
    const hint = near === undefined ? "" : `; did you mean ${show(near)}?`;
    return {
      error: new HttpError(
        "HTTP_NOT_FOUND",
        `There is no path ${show(path)}${hint === "" ? "; GET /openapi.json describes those that there are" : hint}`,
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
