import { boundsOf, type CallOptions } from "../../base/abort.ts";
import type { Row } from "../../base/document.ts";
import { FormDBError } from "../../base/errors.ts";
import type { Page } from "../collection/find.ts";
import type { Asked, AskedChange, CallsElsewhere, Target, Version, Versioned } from "../collection/host.ts";
import type { HttpClient, Request } from "./http-client.ts";
import { collectionPath, documentPath } from "./http-paths.ts";
import type { WritesInOrder } from "./writes-in-order.ts";

/** Refuse a call before anything is sent: of a database that is closed, with wrong options, or whose signal has fired. */
type CallChecks = Readonly<Record<"read" | "write", (what: string, options: CallOptions) => void>>;

/** The calls of a collection's handle that have routes of their own. */
export class HttpCalls implements CallsElsewhere {
  readonly #client: HttpClient;
  readonly #order: WritesInOrder;
  readonly #checks: CallChecks;

  constructor(client: HttpClient, order: WritesInOrder, checks: CallChecks) {
    this.#client = client;
    this.#order = order;
    this.#checks = checks;
  }

  async getVersioned(
    collection: string,
    id: string,
    options: CallOptions,
  ): Promise<Versioned<Row> | undefined> {
    this.#checks.read("get()", options);
    const path = `${documentPath(collection, id)}?version=true`;
    try {
      return await this.#client.json({ what: "get()", method: "GET", path, isRepeatable: true, options });
    } catch (error) {
      if (error instanceof FormDBError && error.code === "FORMDB_NOT_FOUND") return undefined;
      throw error;
    }
  }

  async count(collection: string, filter: unknown, options: CallOptions): Promise<number> {
    const what = "count()";
    this.#checks.read(what, options);
    const path = `${collectionPath(collection)}/count`;
    const body = JSON.stringify({ filter });
    const request = { what, method: "POST", path, body, isRepeatable: true, options } as const;
    return (await this.#client.json<{ count: number }>(request)).count;
  }

  async *find(collection: string, asked: Asked, options: CallOptions): AsyncGenerator<Row> {
    const request = this.#findRequest("find()", collection, asked, options);
    for await (const line of this.#client.lines(request)) yield JSON.parse(line) as Row;
  }

  async page(collection: string, asked: Asked, options: CallOptions): Promise<Page<Row>> {
    const { rows, next } = await this.#client.json<Partial<Page<Row>> & Pick<Page<Row>, "rows">>(
      this.#findRequest("page()", collection, asked, options),
    );
    return { rows, next };
  }

  async change(
    { collection, id, ifVersion }: Target,
    change: AskedChange,
    options: CallOptions,
  ): Promise<Version | undefined> {
    const what = `${change.action}()`;
    this.#checks.write(what, options);
    const path = documentPath(collection, id);
    const request = { what, ...sentAs(change, path, ifVersion), isRepeatable: false, isWrite: true };
    const answer = await this.#order.run({ what, collection, ids: [id], options }, (left) =>
      this.#client.json<{ readonly version?: number; readonly deleted?: boolean }>({
        ...request,
        options: left,
      }),
    );
    if (answer.version !== undefined) return { version: answer.version };
    if (answer.deleted === true) return undefined;
    throw new FormDBError("FORMDB_NOT_FOUND", `${collection} has no document with this id`, {
      details: { collection, id, outcome: "rejected" },
    });
  }

  async findOneAndUpdate(
    collection: string,
    asked: { readonly filter: unknown; readonly changes: unknown; readonly orderBy: object | undefined },
    options: CallOptions,
  ): Promise<Row | undefined> {
    const what = "findOneAndUpdate()";
    this.#checks.write(what, options);
    const { document } = await this.#client.json<{ document: Row | null }>({
      what,
      method: "POST",
      path: `${collectionPath(collection)}/find-one-and-update`,
      body: JSON.stringify(asked),
      isRepeatable: false,
      isWrite: true,
      options,
    });
    return document ?? undefined;
  }

  #findRequest(what: string, collection: string, asked: Asked, options: CallOptions): Request {
    const bounds = boundsOf(options);
    this.#checks.read(what, bounds);
    const path = `${collectionPath(collection)}/find`;
    const body = JSON.stringify(asked);
    return { what, method: "POST", path, body, isRepeatable: true, options: bounds };
  }
}

/** A replacement always says a version, for else it is an upsert. */
function sentAs(
  change: AskedChange,
  path: string,
  ifVersion: number | undefined,
): Pick<Request, "method" | "path" | "body"> {
  const query = ifVersion === undefined ? "" : `?ifVersion=${ifVersion}`;
  switch (change.action) {
    case "update":
      return { method: "POST", path: `${path}/changes${query}`, body: JSON.stringify(change.changes) };
    case "replace":
      return { method: "PUT", path: `${path}${query === "" ? "?ifVersion=any" : query}`, body: change.json };
    case "delete":
      return { method: "DELETE", path: path + query };
    default:
      return change satisfies never;
  }
}
