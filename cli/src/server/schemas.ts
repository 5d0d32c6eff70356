/** JSON schemas of what the HTTP API takes; they validate requests and are in `/openapi.json`. */

/** An object with properties of these names alone. */
function closed(properties: Readonly<Record<string, object>>, ...required: readonly string[]): object {
  return {
    type: "object",
    properties,
    ...(required.length > 0 && { required }),
    additionalProperties: false,
  };
}

/** The parts of a path, each with what it is. */
function params(parts: Readonly<Record<string, string>>): object {
  const properties = Object.entries(parts).map(([part, description]) => [
    part,
    { type: "string", minLength: 1, description },
  ]);
  return { type: "object", properties: Object.fromEntries(properties), required: Object.keys(parts) };
}

const name = "The collection";
export const NAME_PARAMS: object = params({ name });
export const ID_PARAMS: object = params({ name, id: "The document's id" });
export const INDEX_PARAMS: object = params({ name, index: "The index" });

export const IMPORT_QUERY: object = closed({
  ifExists: {
    enum: ["reject", "skip-identical"],
    description: "What to do with a document whose id is taken; skip-identical takes the same one as done",
  },
});

const ifVersion = {
  type: "string",
  title: "a version of 1 to 16 digits",
  pattern: "^[0-9]{1,16}$",
  description: "The version it must have; else 409",
};

export const IF_VERSION: object = closed({ ifVersion });

export const REPLACE_QUERY: object = closed({
  ifVersion: {
    ...ifVersion,
    title: "a version of 1 to 16 digits, or any",
    pattern: "^([0-9]{1,16}|any)$",
    description:
      "The version that the document must have, else 409; any: it must be there, else 404. Without it, it may be new",
  },
});

/** Of routes whose URL has no parameters: one that is not known may be a condition that would not hold. */
export const NO_QUERY: object = closed({});

export const GET_QUERY: object = closed({
  version: { enum: ["true", "false"], description: "Give {document, version}" },
});

const query = {
  query: { type: "string", minLength: 1, maxLength: 1_000_000 },
  params: {
    anyOf: [{ type: "array" }, { type: "object" }],
    description: "An array for $1 and ?, an object for :name",
  },
  explain: { type: "boolean", description: "Give the plan as data and run nothing" },
};
export const QUERY_BODY: object = closed(query, "query");

export const DOCUMENT_BODY = { type: "object", description: "A document" } as const;
export const PATCH_BODY = { type: "object", description: "A JSON Merge Patch (RFC 7396)" } as const;

export const DOCUMENTS_BODY = {
  anyOf: [
    { type: "object", description: "One document" },
    { type: "array", description: "Documents; one that can't be stored fails alone" },
  ],
} as const;

const update: object = closed({ id: { type: ["string", "integer"] }, document: {} }, "id", "document");
export const UPDATES_BODY: object = { type: "array", items: update };

export const IDS_BODY = { type: "array", items: { type: ["string", "integer"] } } as const;

const index = {
  paths: { type: "array", items: { type: "string", minLength: 1 }, minItems: 1, maxItems: 100 },
  unique: { type: "boolean" },
  name: { type: "string", minLength: 1 },
};
export const INDEX_BODY: object = closed(index, "paths");

const filter = {
  type: "object",
  description: "Which documents, as data: {age: {gt: 30}}; without it, all",
} as const;
const orderBy = {
  type: "object",
  additionalProperties: { enum: ["asc", "desc"] },
  description: "Directions by path, in their order",
} as const;

export const FIND_BODY: object = closed({
  filter,
  select: { type: "array", items: { type: "string" }, minItems: 1, description: "Paths; without it, all" },
  orderBy,
  limit: { type: "integer", minimum: 0, description: "Rows at most; 100 for a page" },
  offset: { type: "integer", minimum: 0 },
  after: { type: "string", description: "The next of a page, for what comes after it" },
});

export const COUNT_BODY: object = closed({ filter });

export const CHANGES_BODY: object = closed({
  set: { type: "object", description: "New values, by path" },
  unset: { type: "array", items: { type: "string" }, description: "Paths to remove" },
  inc: { type: "object", description: "What is added to numbers, by path" },
  push: { type: "object", description: "What is appended to arrays, by path" },
  pull: { type: "object", description: "What is removed from arrays, by path" },
});

export const FIND_ONE_AND_UPDATE_BODY: object = closed({ filter, changes: CHANGES_BODY, orderBy }, "changes");
