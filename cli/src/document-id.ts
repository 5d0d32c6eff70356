import { hash } from "node:crypto";
import { FormDBError } from "@formdb/perf";

/** How documents of an import come by their ids. */
export interface IdOptions {
  /** The field whose value is the id; `id` when not given. */
  readonly idField: string | undefined;
  /** Whether every document gets a new id. What its field `id` holds is kept as data under another name. */
  readonly newIds: boolean;
  /** What tells this input from others: a part of the ids that are made. */
  readonly source: string;
}

/** A document under its id. */
interface Identified {
  readonly document: Record<string, unknown>;
  readonly isMade: boolean;
}

/** What the field `id` of a document is called if every document gets a new id. */
export const OLD_ID_FIELD = "original_id";

/**
 * The document under its id. One without an id gets a UUIDv8 (RFC 9562) from a SHA-256 of the input's
 * name, its place in the input and its content, so that importing the same input again makes the same ids and
 * stores nothing twice. Throws `FORMDB_INVALID_ID` if the field that was named for the id is missing, or if
 * taking it would lose another id; `FORMDB_INVALID_DOCUMENT` if the document is nested too deeply to be written.
 */
export function withId(document: Record<string, unknown>, number: number, options: IdOptions): Identified {
  const { idField, newIds, source } = options;
  const hasId = Object.hasOwn(document, "id");
  if (newIds || (idField === undefined && !hasId)) {
    const id = madeId(source, number, contentOf(document));
    return { document: { id, ...(hasId ? withOldId(document) : document) }, isMade: true };
  }
  if (idField === undefined || (idField === "id" && hasId)) return { document, isMade: false };
  if (!Object.hasOwn(document, idField)) {
    throw invalidId(`The document has no field ${JSON.stringify(idField)}, which is to be its id`);
  }
  const id = document[idField];
  if (hasId && document.id !== id) {
    throw invalidId(
      `The document has an id of its own, which its field ${JSON.stringify(idField)} would replace; rename one of them`,
    );
  }
  return { document: { ...document, id }, isMade: false };
}

/** The same fields in the same order, but `id` under its other name. */
function withOldId(document: Record<string, unknown>): Record<string, unknown> {
  if (Object.hasOwn(document, OLD_ID_FIELD)) {
    throw invalidId(
      `The document has a field ${OLD_ID_FIELD} of its own, which is where --new-ids keeps its id; rename it`,
    );
  }
  return Object.fromEntries(
    Object.entries(document).map(([name, value]) => [name === "id" ? OLD_ID_FIELD : name, value]),
  );
}

function contentOf(document: Record<string, unknown>): string {
  try {
    return JSON.stringify(document);
  } catch (error) {
    throw new FormDBError(
      "FORMDB_INVALID_DOCUMENT",
      "The document is nested too deeply to be written as JSON",
      {
        cause: error,
      },
    );
  }
}

/**
 * The place comes first, as the time does in a UUIDv7, so that an import's ids ascend: a B-tree then grows at one
 * end, which on SQLite imports nearly twice as fast as ids in no order.
 */
function madeId(source: string, number: number, content: string): string {
  const place = number.toString(16).padStart(12, "0");
  const hex = hash("sha256", `${JSON.stringify(source)}\n${number}\n${content}`, "hex");
  const variant = ((Number.parseInt(hex[0]!, 16) & 0x3) | 0x8).toString(16);
  return (
    `${place.slice(0, 8)}-${place.slice(8)}-8${hex.slice(1, 4)}-` +
    `${variant}${hex.slice(4, 7)}-${hex.slice(7, 19)}`
  );
}

function invalidId(message: string): FormDBError {
  return new FormDBError("FORMDB_INVALID_ID", message);
}
