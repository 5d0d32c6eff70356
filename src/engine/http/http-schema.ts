import { checkCollectionName } from "../../base/collection-name.ts";
import { FormDBError } from "../../base/errors.ts";
import { configError, show } from "../../base/options.ts";
import type { IndexDefinition } from "../../dialect/ddl-dialect.ts";
import { MAX_INDEX_NAME_LENGTH } from "../../query/limits.ts";
import { checkIndexOptions, type IndexOptions } from "../schema.ts";
import type { HttpClient, Request } from "./http-client.ts";
import { collectionPath } from "./http-paths.ts";

/** Collections and indexes. */
export class HttpSchema {
  readonly #client: HttpClient;

  constructor(client: HttpClient) {
    this.#client = client;
  }

  async createCollection(collection: string): Promise<boolean> {
    const path = collectionPath(collection);
    const request = requestOf("createCollection()", "PUT", path);
    return (await this.#client.json<{ created: boolean }>(request)).created;
  }

  async dropCollection(collection: string): Promise<boolean> {
    const path = collectionPath(collection);
    const request = requestOf("dropCollection()", "DELETE", path);
    return (await this.#client.json<{ dropped: boolean }>(request)).dropped;
  }

  async listCollections(): Promise<readonly string[]> {
    const request = requestOf("listCollections()", "GET", "/v1/collections");
    return (await this.#client.json<{ collections: string[] }>(request)).collections;
  }

  async createIndex(
    collection: string,
    paths: string | readonly string[],
    options: IndexOptions,
  ): Promise<string> {
    checkIndexOptions(options);
    const body = JSON.stringify({ ...options, paths: typeof paths === "string" ? [paths] : paths });
    const request = requestOf("createIndex()", "POST", indexesPath(collection));
    return (await this.#client.json<{ name: string }>({ ...request, body })).name;
  }

  async dropIndex(collection: string, name: string): Promise<void> {
    if (typeof name !== "string") throw configError(`An index's name must be a string, not ${show(name)}`);
    // A path has no place for some names that no index can have.
    if (name === "" || name.length > MAX_INDEX_NAME_LENGTH || !name.isWellFormed()) {
      throw new FormDBError("FORMDB_NOT_FOUND", `${collection} has no index ${JSON.stringify(name)}`, {
        details: { collection: checkCollectionName(collection), index: name },
      });
    }
    const path = `${indexesPath(collection)}/${encodeURIComponent(name)}`;
    await this.#client.json(requestOf("dropIndex()", "DELETE", path));
  }

  async listIndexes(collection: string | undefined): Promise<readonly IndexDefinition[]> {
    const collections = collection === undefined ? await this.listCollections() : [collection];
    const lists = await Promise.all(
      collections.map((name) =>
        this.#client.json<{ indexes: IndexDefinition[] }>(
          requestOf("listIndexes()", "GET", indexesPath(name)),
        ),
      ),
    );
    return lists.flatMap(({ indexes }) => indexes);
  }
}

function indexesPath(collection: string): string {
  return `${collectionPath(collection)}/indexes`;
}

function requestOf(what: string, method: Request["method"], path: string): Request {
  return { what, method, path, isRepeatable: method === "GET", isWrite: method !== "GET" };
}
