import type { ChangeResult, Connection, GroupWrite, WriteResult } from "../backend/backend.ts";
import { bounded, type CallOptions, TimeOfParts } from "../base/abort.ts";
import type { EngineStatement } from "../base/engine-statement.ts";
import { FormDBError, noteDetail, notSent } from "../base/errors.ts";
import type { WriteKind } from "../base/observer.ts";
import type {
  BatchGroup,
  DocumentChange,
  ExecuteGroup,
  LookUpToken,
  OperationResult,
} from "../batch/group.ts";
import { channels, type FlushTrace, traced } from "../metrics/tracing-channels.ts";
import type { BoundStatement } from "../plan/plan.ts";
import type { Catalog } from "./catalog.ts";
import { type Connections, isPoolTimeout } from "./connections.ts";
import { codeOf, type Reporter } from "./reporter.ts";

/** How long a group waits for a connection, say behind a long transaction, before that counts as a failed try. */
const GROUP_WAIT_MS = 60_000;

/** A document as a change has found it; undefined if there is none. */
export type FoundByChange = { readonly version: number; readonly json: string } | undefined;

/** Where the time of a group goes once it has left the queue. */
interface GroupTimes {
  waitMs: number;
  databaseMs: number;
}

/** A change on its way through the queue. */
export interface QueuedChange extends DocumentChange {
  /** Its plan's, without values. */
  readonly shape: string;
  readonly statement: EngineStatement;
  readonly values: readonly unknown[];
  /** What makes it by itself, where the statement is for groups. */
  readonly alone: (() => BoundStatement) | undefined;
  /** Why it could not be made of what was found. */
  readonly refuse: (found: FoundByChange) => FormDBError;
}

/**
 * A write, from where its group leaves the queue: one statement (or one transaction of row statements) for the
 * group, on a pooled connection, and one outcome for each operation.
 */
export class Writer {
  readonly #connections: Connections;
  readonly #catalog: Catalog;
  readonly #reporter: Reporter;
  readonly #autoCreate: boolean;

  constructor(connections: Connections, catalog: Catalog, reporter: Reporter, autoCreate: boolean) {
    this.#connections = connections;
    this.#catalog = catalog;
    this.#reporter = reporter;
    this.#autoCreate = autoCreate;
  }

  readonly execute: ExecuteGroup = (group) =>
    traced(
      channels.batchFlush,
      () => describe(group),
      () => this.#execute(group),
    );

  async #execute(group: BatchGroup): Promise<OperationResult[] | undefined> {
    const times = { waitMs: 0, databaseMs: 0 };
    const sentAt = this.#reporter.clock.now();
    let code = "";
    try {
      return await this.#againIfDropped(group.collection, () => this.#sendIfThere(group, times));
    } catch (error) {
      code = codeOf(error);
      throw this.#connections.heldByStreams && isPoolTimeout(error) ? notAgain(error) : error;
    } finally {
      const { kind: operation, collection, operations, queuedAtMs } = group;
      this.#reporter.groupEnded({
        operation,
        collection,
        code,
        totalMs: this.#reporter.clock.now() - queuedAtMs,
        queueMs: sentAt - queuedAtMs,
        ...times,
        decodeMs: 0,
        rows: operations.length,
        shape: changesOf(group)?.[0]?.shape ?? `${operation} ${collection}`,
        cacheHit: true,
      });
    }
  }

  /** Inserts that are no group of the queue: what `write` does in one transaction, in a collection that is made for it. */
  insertInto(
    collection: string,
    options: CallOptions,
    write: (left: CallOptions) => Promise<void>,
  ): Promise<void> {
    const { clock } = this.#reporter;
    const time = new TimeOfParts("The insert", options, clock);
    return this.#againIfDropped(collection, async () => {
      // The making of a collection may be others' too: only the wait for it ends.
      await bounded("The insert", this.ensureCollection(collection), clock, time.next()).catch(notSent);
      await write(time.next());
    });
  }

  /** Another process may have dropped the collection: then nothing was written, and what may make it makes it again. */
  async #againIfDropped<T>(collection: string, write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      if (!this.#catalog.noticeMissing(error, collection)) throw error;
    }
    return write();
  }

  async #sendIfThere(group: BatchGroup, times: GroupTimes): Promise<OperationResult[] | undefined> {
    const { kind, collection, operations } = group;
    if (!this.#catalog.has(collection)) {
      const absence = await this.#absenceFor(group).catch((error) => unsent(group, error));
      if (absence !== undefined)
        return operations.map(({ id }) => outcomeWithout(absence, { kind, collection, id }));
    }
    return this.#send(group, times);
  }

  /** What there is instead of a group's collection, if the group does not make it. */
  async #absenceFor({ kind, collection, signal }: BatchGroup): Promise<string | undefined> {
    if (!mayMake(kind)) return this.absence(collection, { signal });
    // The making may be that of others too: only the wait for it ends.
    await bounded("The write", this.ensureCollection(collection), this.#reporter.clock, { signal });
    return undefined;
  }

  /**
   * A group waits longer for its connection than a caller would: the queue behind it is bounded as it is. Not where it may
   * be awaited in the loops of the streams that hold every connection, and would wait for itself.
   */
  async #send(group: BatchGroup, times: GroupTimes): Promise<OperationResult[] | undefined> {
    const { clock } = this.#reporter;
    const timeoutMs = this.#connections.heldByStreams ? undefined : GROUP_WAIT_MS;
    const options = { signal: group.signal, timeoutMs };
    const asked = clock.now();
    let lentAt: number | undefined;
    try {
      return await this.#connections.use("write", options, async (connection) => {
        lentAt = clock.now();
        return outcomes(group, await connection.write(toWrite(group)));
      });
    } catch (error) {
      if (lentAt === undefined) unsent(group, error);
      throw error;
    } finally {
      const ended = clock.now();
      times.waitMs += (lentAt ?? ended) - asked;
      times.databaseMs += ended - (lentAt ?? ended);
    }
  }

  readonly lookUpToken: LookUpToken = (token, group) =>
    this.#connections.use("write", { signal: group.signal }, async (connection) => {
      const found = await connection.lookUpToken({ ...toWrite(group), token });
      return found === undefined
        ? undefined
        : (outcomes(group, found) ?? group.operations.map(() => APPLIED));
    });

  /** Makes the collection for an insert; without `autoCreate` it must be there. */
  async ensureCollection(collection: string): Promise<void> {
    if (this.#catalog.has(collection)) return;
    if (this.#autoCreate) await this.#catalog.create(collection);
    else await this.#catalog.need(collection);
  }

  /**
   * The same inside a transaction, on its connection. Resolves to whether the transaction has made the collection,
   * which it can only where the engine takes changes of the schema in one.
   */
  async ensureCollectionOn(
    connection: Connection,
    collection: string,
    bounds: CallOptions,
  ): Promise<boolean> {
    if (this.#catalog.has(collection)) return false;
    if (!this.#autoCreate || !this.#connections.transactionalDdl) {
      await this.#catalog.needOn(connection, collection, bounds);
      return false;
    }
    await this.#catalog.createOn(connection, collection, bounds);
    return true;
  }

  /**
   * What there is instead of a collection, as `Catalog.absence`. One that a first insert would make is as good as an empty
   * one for calls by id and by filter; without `autoCreate` it must be there.
   */
  async absence(collection: string, bounds: CallOptions): Promise<string | undefined> {
    if (this.#autoCreate) return this.#catalog.absence(collection, bounds);
    await this.#catalog.need(collection, bounds);
    return undefined;
  }

  /** The same inside a transaction, on its connection. */
  async absenceOn(
    connection: Connection,
    collection: string,
    bounds: CallOptions,
  ): Promise<string | undefined> {
    if (this.#autoCreate) return this.#catalog.absenceOn(connection, collection, bounds);
    await this.#catalog.needOn(connection, collection, bounds);
    return undefined;
  }

  /** Whether there is a collection that documents can be read from. */
  async mayRead(collection: string, bounds: CallOptions): Promise<boolean> {
    return this.#catalog.has(collection) || (await this.absence(collection, bounds)) === undefined;
  }
}

/**
 * Writes one document, the only one of `write`, on a connection that the caller holds, as a part of its
 * transaction.
 */
export async function writeOne(
  connection: Connection,
  write: GroupWrite,
  options: CallOptions,
): Promise<OperationResult> {
  const { missing, rejected } = await connection.write(write, options);
  if (rejected.length > 0) throw rejected[0]!.error;
  return missing.length === 0 ? APPLIED : outcomeOfMissing(write.kind, write.collection, write.ids[0]!);
}

/** Throws what a group failed with before it had a connection; if that is its end by closing, that it was not delivered. */
function unsent({ signal }: BatchGroup, error: unknown): never {
  throw signal.aborted ? noteDetail(signal.reason, "outcome", "rejected") : error;
}

/** Certainly not sent, and not to be tried again. */
function notAgain({ code, message, ...details }: FormDBError): FormDBError {
  return new FormDBError(code, message, {
    cause: details.cause,
    retryable: false,
    details: { ...details, outcome: "rejected" },
  });
}

/** Whether a write makes its collection if that is not there yet. */
export function mayMake(kind: WriteKind): boolean {
  return kind === "insert" || kind === "upsert";
}

/** What comes of an update or a delete whose collection is not there. */
export function outcomeWithout(
  absence: string,
  { kind, collection, id }: { readonly kind: WriteKind; readonly collection: string; readonly id: string },
): OperationResult {
  if (kind === "delete") return { found: false };
  return { error: notThere(absence, collection, id) };
}

export function notThere(absence: string, collection: string, id: string): FormDBError {
  const message = `The document could not be changed: there is ${absence}`;
  return new FormDBError("FORMDB_NOT_FOUND", message, { details: { collection, id } });
}

const APPLIED: OperationResult = Object.freeze({ found: true });

function describe({ kind, collection, operations }: BatchGroup): FlushTrace {
  return { kind, collection, operations: operations.length };
}

/** The changes of a group; undefined if it has none. */
function changesOf({ operations }: BatchGroup): readonly QueuedChange[] | undefined {
  if (operations[0]!.change === undefined) return undefined;
  return operations.map(({ change }) => change as QueuedChange);
}

function toWrite(group: BatchGroup): GroupWrite {
  const { kind, collection, operations, token } = group;
  const queued = changesOf(group);
  if (queued !== undefined) {
    const { statement, alone } = queued[0]!;
    const bound = queued.length === 1 ? alone?.() : undefined;
    const changes = {
      statement,
      values: queued.map(({ values }) => values),
      alone: bound && { statement: bound.statement!, values: bound.values },
    };
    return { kind, collection, ids: operations.map(({ id }) => id), json: [], changes, token };
  }
  const ids: string[] = [];
  const json: string[] = [];
  for (const operation of operations) {
    ids.push(operation.id);
    json.push(operation.json);
  }
  return { kind, collection, ids, json: kind === "delete" ? [] : json, token };
}

function outcomeOfChange({ refuse }: QueuedChange, result: ChangeResult): OperationResult {
  if (result === undefined) return { error: refuse(undefined) };
  if ("error" in result) return result;
  const { version, unchanged } = result;
  return unchanged === undefined ? { version } : { error: refuse({ version, json: unchanged }) };
}

function outcomes(group: BatchGroup, result: WriteResult): OperationResult[] | undefined {
  const { kind, collection, operations } = group;
  if (result.changes !== undefined)
    return changesOf(group)!.map((change, i) => outcomeOfChange(change, result.changes![i]));
  if (result.missing.length === 0 && result.rejected.length === 0) return undefined;
  const missing = new Set(result.missing);
  const rejected = new Map(result.rejected.map(({ id, error }) => [id, error]));
  const { stackTraceLimit } = Error;
  // The stack of each would name this function and take most of the time; an import that is run again has one for each document.
  if (missing.size > 1) Reflect.set(Error, "stackTraceLimit", 0);
  const all = operations.map(({ id }) => {
    const error = rejected.get(id);
    if (error !== undefined) return { error };
    return missing.has(id) ? outcomeOfMissing(kind, collection, id) : APPLIED;
  });
  if (missing.size > 1) Reflect.set(Error, "stackTraceLimit", stackTraceLimit);
  return all;
}

function outcomeOfMissing(kind: WriteKind, collection: string, id: string): OperationResult {
  const details = { collection, id };
  const shown = JSON.stringify(id);
  switch (kind) {
    case "insert":
      return {
        error: new FormDBError(
          "FORMDB_DUPLICATE_ID",
          `The document could not be inserted: ${collection} already has one with the id ${shown}`,
          { details },
        ),
      };
    case "update":
      return {
        error: new FormDBError(
          "FORMDB_NOT_FOUND",
          `The document could not be updated: ${collection} has none with the id ${shown}`,
          { details },
        ),
      };
    case "delete":
      return { found: false };
    case "upsert":
      return APPLIED;
    default:
      return kind satisfies never;
  }
}
