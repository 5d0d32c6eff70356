import type { Connection, StoredDocument, StoredText } from "../backend/backend.ts";
import { bounded, type CallOptions } from "../base/abort.ts";
import type { Document } from "../base/document.ts";
import { atEndOfTurn } from "../base/loop-turn.ts";
import { parseDocument } from "../plan/decode.ts";
import type { Catalog } from "./catalog.ts";
import type { Versioned } from "./collection/host.ts";
import type { Connections } from "./connections.ts";
import { factsOfGet } from "./reads-at-once.ts";
import type { QueryFacts, QueryTimes, Reporter } from "./reporter.ts";

/** Ids that one read asks for at most. */
export const MAX_GATHERED_IDS = 1_000;
/** From this many on, reads are sent in two halves: then the engine works on one while the other's documents are read here. */
const HALVE_AT = 32;

/** How long a read has waited that has no connection yet. If it ends so, all of its time was waiting. */
const STILL_WAITS = Infinity;

/**
 * Which reads by id become one: those of a turn of the event loop, as suits an engine behind a network; those that would have to wait for a
 * connection; or none.
 */
export type Gathering = "turn" | "waiting" | "never";

/** What is read of a document, and what is made of it. */
export interface Form<T> {
  /** Whether `decode` looks at more than the text. */
  readonly wholeRow: boolean;
  readonly decode: (stored: StoredDocument) => T;
}

interface Waiting {
  readonly id: string;
  readonly times: QueryTimes;
  readonly wholeRow: boolean;
  resolve(found: StoredText | undefined): void;
  reject(error: unknown): void;
}

/**
 * Reads of documents by id. Where the engine is behind a network, the reads of one turn of the event loop are gathered into one
 * (as in GraphQL's DataLoader): a hundred callers cost one round trip. Else each is answered at once by an idle
 * connection, and only those that would have to wait for one are gathered.
 */
export class DocumentReads {
  readonly #connections: Connections;
  readonly #catalog: Catalog;
  readonly #reporter: Reporter;
  readonly #gathering: Gathering;
  #lastWasAlone = false;
  #underWay = 0;
  readonly #facts = new Map<string, QueryFacts>();
  readonly #waiting = new Map<string, Waiting[]>();

  constructor(connections: Connections, catalog: Catalog, reporter: Reporter, gathering: Gathering) {
    this.#connections = connections;
    this.#catalog = catalog;
    this.#reporter = reporter;
    this.#gathering = gathering;
  }

  get(collection: string, id: string, options: CallOptions): Promise<Document | undefined> {
    return this.#reported(collection, id, options, AS_DOCUMENT);
  }

  /** The same with the document's version. */
  getVersioned(
    collection: string,
    id: string,
    options: CallOptions,
  ): Promise<Versioned<Document> | undefined> {
    return this.#reported(collection, id, options, AS_VERSIONED);
  }

  #reported<T>(collection: string, id: string, options: CallOptions, form: Form<T>): Promise<T | undefined> {
    const facts = this.#facts.get(collection) ?? this.#describe(collection);
    return this.#reporter.report<T | undefined>(facts, countOf, (times) =>
      this.#catalog.has(collection)
        ? this.#read(collection, id, options, times, form)
        : this.#catalog
            .need(collection, options)
            .then((left) => this.#read(collection, id, left, times, form)),
    );
  }

  /** What is reported of a read, kept for the collections that there are: made each time, it would cost a hash of its text. */
  #describe(collection: string): QueryFacts {
    const facts = factsOfGet(collection);
    if (this.#catalog.has(collection)) this.#facts.set(collection, facts);
    return facts;
  }

  /** As they are stored, for callers that compare. In no order; ids that are not there are missing. */
  stored(collection: string, ids: readonly string[]): Promise<readonly StoredDocument[]> {
    return this.#connections.use("read", {}, (connection) => connection.getMany(collection, ids));
  }

  /** As few promises as can be: with many callers each costs as much as reading the document. */
  #read<T>(
    collection: string,
    id: string,
    options: CallOptions,
    times: QueryTimes,
    form: Form<T>,
  ): Promise<T | undefined> {
    const { clock } = this.#reporter;
    const start = clock.now();
    const received = (): number => {
      const now = clock.now();
      times.waitMs = Math.min(times.waitMs, now - start);
      times.databaseMs = now - start - times.waitMs;
      return now;
    };
    return this.#find(collection, id, options, times, form.wholeRow).then(
      (found) => {
        const decoding = received();
        if (found === undefined) return undefined;
        const decoded = decodeAs(form, found);
        times.decodeMs = clock.now() - decoding;
        return decoded;
      },
      (error: unknown) => {
        received();
        this.#catalog.noticeMissing(error, collection);
        throw error;
      },
    );
  }

  #find(
    collection: string,
    id: string,
    options: CallOptions,
    times: QueryTimes,
    wholeRow: boolean,
  ): Promise<StoredText | undefined> {
    const alone = this.#alone(
      (connection) => readThrough(connection, wholeRow, collection, [id], options),
      options,
      times,
    );
    if (alone !== undefined) return this.#counted(alone).then(([found]) => found);
    return bounded(
      "The read",
      this.#gathered(collection, id, times, wholeRow),
      this.#reporter.clock,
      options,
    );
  }

  /** The read by itself; undefined if it is to be gathered with others. */
  #alone<T>(
    read: (connection: Connection) => Promise<T>,
    options: CallOptions,
    times: QueryTimes,
  ): Promise<T> | undefined {
    if (this.#gathering === "never") {
      const { clock } = this.#reporter;
      const asked = clock.now();
      times.waitMs = STILL_WAITS;
      return this.#connections.use("read", options, (connection) => {
        times.waitMs = clock.now() - asked;
        return read(connection);
      });
    }
    if (this.#gathering === "turn" && !this.#callerIsAlone) return undefined;
    return this.#connections.tryRead(read);
  }

  /** The last read was the only one of its turn, and none is under way: waiting for others would be in vain. */
  get #callerIsAlone(): boolean {
    return this.#lastWasAlone && this.#underWay === 0;
  }

  async #counted<T>(read: Promise<T>): Promise<T> {
    this.#underWay++;
    try {
      return await read;
    } finally {
      this.#underWay--;
    }
  }

  #gathered(
    collection: string,
    id: string,
    times: QueryTimes,
    wholeRow: boolean,
  ): Promise<StoredText | undefined> {
    times.waitMs = STILL_WAITS;
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(collection);
      if (waiting !== undefined && waiting.length < MAX_GATHERED_IDS) {
        waiting.push({ id, times, wholeRow, resolve, reject });
        return;
      }
      const first: Waiting[] = [{ id, times, wholeRow, resolve, reject }];
      this.#waiting.set(collection, first);
      atEndOfTurn(() => this.#leave(collection, first));
    });
  }

  /** Many reads that no other is under way beside are sent in two halves, as `SharedReads` does. */
  #leave(collection: string, waiting: Waiting[]): void {
    if (this.#waiting.get(collection) === waiting) this.#waiting.delete(collection);
    this.#lastWasAlone = waiting.length === 1;
    if (waiting.length >= HALVE_AT && this.#underWay === 0 && this.#connections.read.idle > 1) {
      this.#send(collection, waiting.splice(waiting.length >> 1));
    }
    this.#send(collection, waiting);
  }

  #send(collection: string, waiting: readonly Waiting[]): void {
    const { clock } = this.#reporter;
    const asked = clock.now();
    let lent = false;
    const waited = (): void => {
      const waitMs = clock.now() - asked;
      for (const { times } of waiting) times.waitMs = waitMs;
    };
    const read = this.#connections.use("read", {}, (connection: Connection) => {
      lent = true;
      waited();
      const wholeRow = waiting.some((read) => read.wholeRow);
      return readThrough(connection, wholeRow, collection, idsOf(waiting));
    });
    this.#counted(read).then(
      (found) => {
        if (waiting.length > 1) this.#reporter.readsMerged(waiting.length);
        settle(waiting, found);
      },
      (error: unknown) => {
        if (!lent) waited();
        for (const { reject } of waiting) reject(error);
      },
    );
  }
}

function countOf(found: unknown): number {
  return found === undefined ? 0 : 1;
}

function idsOf(waiting: readonly Waiting[]): string[] {
  if (waiting.length === 1) return [waiting[0]!.id];
  const ids = new Set<string>();
  for (const { id } of waiting) ids.add(id);
  return [...ids];
}

/** The documents of the ids that exist, in no order; with all of their rows or the texts alone. */
export function readThrough(
  connection: Connection,
  wholeRow: boolean,
  collection: string,
  ids: readonly string[],
  options?: CallOptions,
): Promise<readonly StoredText[]> {
  return wholeRow || connection.getTexts === undefined
    ? connection.getMany(collection, ids, options)
    : connection.getTexts(collection, ids, options);
}

/** What a form makes of what was read for it: a text has all that it looks at where it does not ask for the whole row. */
export function decodeAs<T>(form: Form<T>, found: StoredText): T {
  return form.decode(found as StoredDocument);
}

function settle(waiting: readonly Waiting[], found: readonly StoredText[]): void {
  if (waiting.length === 1) {
    waiting[0]!.resolve(found[0]);
    return;
  }
  const byId = new Map<string, StoredText>();
  for (const document of found) byId.set(document.id, document);
  for (const { id, resolve } of waiting) resolve(byId.get(id));
}

/** A stored document as users see it: its id first. */
function toDocument({ id, json }: StoredText): Document {
  return parseDocument(id, json);
}

/** With its version. */
function toVersioned(stored: StoredDocument): Versioned<Document> {
  return { document: toDocument(stored), version: stored.version };
}

export const AS_DOCUMENT: Form<Document> = { wholeRow: false, decode: toDocument };
export const AS_VERSIONED: Form<Versioned<Document>> = { wholeRow: true, decode: toVersioned };
