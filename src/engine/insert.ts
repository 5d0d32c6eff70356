import type { Connection, GroupWrite } from "../backend/backend.ts";
import { type CallOptions, remaining } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { FormDBError, noteDetail } from "../base/errors.ts";
import { encodeOperation, type Operation } from "../batch/operation.ts";
import { sortById } from "../batch/write-queue.ts";
import type { Query, QueryResult } from "./read.ts";

/** Documents and characters of JSON that one statement is given: no engine's profile allows fewer. */
const DOCUMENTS_AT_ONCE = 1_000;
const CHARACTERS_AT_ONCE = 1_000_000;

/** The documents of an INSERT. */
export function documentsOf({ plan, values, parameters }: Query): readonly unknown[] {
  return plan.bind(values, parameters).values[0] as readonly unknown[];
}

/** What an INSERT gives: a row with the id of each document, in their order. */
export function inserted(ids: readonly string[]): QueryResult {
  return { rows: ids.map((id) => ({ id })), rowCount: ids.length };
}

/** Several documents, checked and encoded, each with its id. Throws for the first that can't be stored, by its `index`. */
export function encodeAll(
  collection: string,
  documents: readonly unknown[],
  makeId: () => string,
): readonly Operation[] {
  const known = new Set<string>();
  return documents.map((value, index) => {
    try {
      const operation = encodeOperation({ kind: "insert", collection, id: undefined, value }, makeId);
      const { id } = operation;
      if (known.has(id)) throw duplicate(collection, id, `two of the ${documents.length} have that id`);
      known.add(id);
      return operation;
    } catch (error) {
      throw noteDetail(error, "index", index);
    }
  });
}

/** Inserts all documents or none, as a part of the transaction that the connection is in, which may go on either way. */
export async function insertAll(
  connection: Connection,
  operations: readonly Operation[],
  options: CallOptions,
  clock: Clock,
): Promise<void> {
  const start = clock.now();
  const left = (): CallOptions => remaining(options, clock.now() - start);
  const { collection } = operations[0]!;
  const written: string[] = [];
  for (const group of groupsOf(operations)) {
    const { missing, rejected } = await connection.write(group, left());
    const failed = new Set([...missing, ...rejected.map(({ id }) => id)]);
    written.push(...group.ids.filter((id) => !failed.has(id)));
    if (failed.size === 0) continue;
    // None of these was there before.
    if (written.length > 0) {
      await connection.write(
        { kind: "delete", collection, ids: written, json: [], token: undefined },
        left(),
      );
    }
    const index = operations.findIndex(({ id }) => failed.has(id));
    const { id } = operations[index]!;
    const refusal = rejected.find((each) => each.id === id)?.error;
    const error = refusal ?? duplicate(collection, id, "it already has a document with that id");
    throw noteDetail(noteDetail(error, "id", id), "index", index);
  }
}

/** Sorted by id, so that two writers can't wait for each other. */
function* groupsOf(operations: readonly Operation[]): Generator<GroupWrite> {
  const { collection } = operations[0]!;
  let ids: string[] = [];
  let json: string[] = [];
  let characters = 0;
  for (const operation of sortById([...operations])) {
    const isFull = ids.length === DOCUMENTS_AT_ONCE || characters + operation.bytes > CHARACTERS_AT_ONCE;
    if (isFull && ids.length > 0) {
      yield { kind: "insert", collection, ids, json, token: undefined };
      ids = [];
      json = [];
      characters = 0;
    }
    ids.push(operation.id);
    json.push(operation.json);
    characters += operation.bytes;
  }
  yield { kind: "insert", collection, ids, json, token: undefined };
}

function duplicate(collection: string, id: string, why: string): FormDBError {
  return new FormDBError(
    "FORMDB_DUPLICATE_ID",
    `None of the documents could be inserted into ${collection}, because of the id ${JSON.stringify(id)}: ${why}`,
    { details: { collection, id } },
  );
}
