import type { RouteOptions } from "fastify";

interface Properties {
  readonly properties: Readonly<Record<string, object>>;
}

interface RouteSchema {
  readonly summary?: string;
  readonly params?: Properties;
  readonly querystring?: Properties;
  readonly body?: object;
}

const ERROR = {
  description: "What failed, by code",
  content: {
    "application/json": {
      schema: {
        type: "object",
        properties: {
          error: {
            type: "object",
            properties: {
              code: { type: "string" },
              message: { type: "string" },
              retryable: { type: "boolean" },
              requestId: { type: "string" },
            },
            required: ["code", "message"],
          },
        },
        required: ["error"],
      },
    },
  },
};

/** The description of the API in OpenAPI 3.1, put together from the routes themselves. */
export class OpenApi {
  readonly #paths: Record<string, Record<string, object>> = {};

  add(route: RouteOptions, prefix: string): void {
    const path = (route.url.startsWith(prefix) ? route.url : prefix + route.url).replace(/:(\w+)/g, "{$1}");
    for (const method of [route.method].flat()) {
      if (method === "HEAD" || method === "OPTIONS") continue;
      this.#paths[path] ??= {};
      this.#paths[path][method.toLowerCase()] = operationOf(route);
    }
  }

  document(): object {
    return {
      openapi: "3.1.0",
      info: { title: "FormDB", version: "1" },
      paths: this.#paths,
      components: {
        securitySchemes: {
          bearer: { type: "http", scheme: "bearer" },
          header: { type: "apiKey", in: "header", name: "X-API-Key" },
        },
      },
      security: [{ bearer: [] }, { header: [] }],
    };
  }
}

function operationOf({ schema, config }: RouteOptions): object {
  const { summary, params, querystring, body } = (schema ?? {}) as RouteSchema;
  const { access, takesNdjson } = config ?? {};
  const content: Record<string, object> = {};
  if (body !== undefined || takesNdjson === true) content["application/json"] = { schema: body ?? {} };
  if (takesNdjson === true) content["application/x-ndjson"] = { schema: { type: "string" } };
  const parameters = [...parametersIn("path", params), ...parametersIn("query", querystring)];
  return {
    summary,
    ...(access === "open" ? { security: [] } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(Object.keys(content).length === 0 ? {} : { requestBody: { required: true, content } }),
    responses: { "200": { description: "Done" }, default: ERROR },
  };
}

function parametersIn(place: "path" | "query", from: Properties | undefined): object[] {
  return Object.entries(from?.properties ?? {}).map(([name, schema]) => ({
    name,
    in: place,
    required: place === "path",
    schema,
  }));
}
