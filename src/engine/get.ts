import type { Connection, StoredDocument } from "../backend/backend.ts";
import type { CallOptions } from "../base/abort.ts";
import { bounded } from "../base/abort.ts";
import type { Document } from "../base/document.ts";
import type { Catalog } from "./catalog.ts";
import type { Connections } from "./connections.ts";
import type { Reporter } from "./reporter.ts";

/** Ids that one read asks for at most. */
export const MAX_GATHERED_IDS = 1_000;

interface Waiting {
  readonly id: string;
  resolve(found: StoredDocument | undefined): void;
  reject(error: unknown): void;
}

/**
 * Reads of documents by id. Where the engine is behind a network, the reads of one tick are gathered into one
 * (as in GraphQL's DataLoader): a hundred callers cost one round trip. Else each is answered at once.
 */
export class DocumentReads {
  readonly #connections: Connections;
  readonly #catalog: Catalog;
  readonly #reporter: Reporter;
  readonly #gather: boolean;
  readonly #waiting = new Map<string, Waiting[]>();

  constructor(connections: Connections, catalog: Catalog, reporter: Reporter, gather: boolean) {
    this.#connections = connections;
    this.#catalog = catalog;
    this.#reporter = reporter;
    this.#gather = gather;
  }

  get(collection: string, id: string, options: CallOptions): Promise<Document | undefined> {
    return this.#reporter.report(
      { operation: "get", collection, shape: `get ${collection}`, cacheHit: true },
      (document) => (document === undefined ? 0 : 1),
      async (times) => {
        if (!this.#catalog.has(collection)) await this.#catalog.need(collection);
        const start = this.#reporter.clock.now();
        const found = this.#gather
          ? await bounded("The read", this.#gathered(collection, id), this.#reporter.clock, options)
          : (await this.#read(collection, [id], options))[0];
        const received = this.#reporter.clock.now();
        times.databaseMs = received - start;
        if (found === undefined) return undefined;
        const document = toDocument(found);
        times.decodeMs = this.#reporter.clock.now() - received;
        return document;
      },
    );
  }

  /** As they are stored, for callers that compare. In no order; ids that are not there are missing. */
  stored(collection: string, ids: readonly string[]): Promise<readonly StoredDocument[]> {
    return this.#read(collection, ids, {});
  }

  #read(
    collection: string,
    ids: readonly string[],
    options: CallOptions,
  ): Promise<readonly StoredDocument[]> {
    return this.#connections.use("read", options, (connection: Connection) =>
      connection.getMany(collection, ids, options),
    );
  }

  #gathered(collection: string, id: string): Promise<StoredDocument | undefined> {
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(collection);
      if (waiting !== undefined && waiting.length < MAX_GATHERED_IDS) {
        waiting.push({ id, resolve, reject });
        return;
      }
      const first: Waiting[] = [{ id, resolve, reject }];
      this.#waiting.set(collection, first);
      // After the promise jobs that are due have run, so that awaiting callers of this tick are all in.
      Promise.resolve().then(() => process.nextTick(() => this.#send(collection, first)));
    });
  }

  #send(collection: string, waiting: readonly Waiting[]): void {
    if (this.#waiting.get(collection) === waiting) this.#waiting.delete(collection);
    const ids = [...new Set(waiting.map(({ id }) => id))].sort();
    this.#read(collection, ids, {}).then(
      (found) => {
        const byId = new Map(found.map((document) => [document.id, document]));
        for (const { id, resolve } of waiting) resolve(byId.get(id));
      },
      (error: unknown) => {
        for (const { reject } of waiting) reject(error);
      },
    );
  }
}

/** A stored document as users see it: its id first. */
export function toDocument({ id, json }: StoredDocument): Document {
  return { id, ...(JSON.parse(json) as Document) };
}
