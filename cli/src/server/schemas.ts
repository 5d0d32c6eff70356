/** JSON schemas of what the HTTP API takes; they validate requests and are in `/openapi.json`. */
const name = { type: "string", minLength: 1, description: "The collection" } as const;

export const NAME_PARAMS: object = { type: "object", properties: { name }, required: ["name"] };

export const ID_PARAMS: object = {
  type: "object",
  properties: {
    name,
    id: { type: "string", minLength: 1, description: "The document's id" },
  },
  required: ["name", "id"],
};

export const INDEX_PARAMS: object = {
  type: "object",
  properties: {
    name,
    index: { type: "string", minLength: 1, description: "The index" },
  },
  required: ["name", "index"],
};

export const IMPORT_QUERY: object = {
  type: "object",
  properties: {
    ifExists: {
      enum: ["reject", "skip-identical"],
      description: "What to do with a document whose id is taken; skip-identical takes the same one as done",
    },
  },
  additionalProperties: false,
};

const ifVersion = {
  type: "string",
  title: "a version of 1 to 16 digits",
  pattern: "^[0-9]{1,16}$",
  description: "The version it must have; else 409",
};

export const IF_VERSION: object = { type: "object", properties: { ifVersion }, additionalProperties: false };

export const REPLACE_QUERY: object = {
  type: "object",
  properties: {
    ifVersion: {
      ...ifVersion,
      title: "a version of 1 to 16 digits, or any",
      pattern: "^([0-9]{1,16}|any)$",
      description:
        "The version that the document must have, else 409; any: it must be there, else 404. Without it, it may be new",
    },
  },
  additionalProperties: false,
};

export const GET_QUERY: object = {
  type: "object",
  properties: { version: { enum: ["true", "false"], description: "Give {document, version}" } },
  additionalProperties: false,
};

export const QUERY_BODY = {
  type: "object",
  properties: {
    query: { type: "string", minLength: 1, maxLength: 1_000_000 },
    params: {
      anyOf: [{ type: "array" }, { type: "object" }],
      description: "An array for $1 and ?, an object for :name",
    },
    explain: { type: "boolean", description: "Give the plan as data and run nothing" },
  },
  required: ["query"],
  additionalProperties: false,
} as const;

export const DOCUMENT_BODY = { type: "object", description: "A document" } as const;
export const PATCH_BODY = { type: "object", description: "A JSON Merge Patch (RFC 7396)" } as const;

export const DOCUMENTS_BODY = {
  anyOf: [
    { type: "object", description: "One document" },
    { type: "array", description: "Documents; one that can't be stored fails alone" },
  ],
} as const;

export const UPDATES_BODY = {
  type: "array",
  items: {
    type: "object",
    properties: { id: { type: ["string", "integer"] }, document: {} },
    required: ["id", "document"],
    additionalProperties: false,
  },
} as const;

export const IDS_BODY = { type: "array", items: { type: ["string", "integer"] } } as const;

export const INDEX_BODY = {
  type: "object",
  properties: {
    paths: { type: "array", items: { type: "string", minLength: 1 }, minItems: 1, maxItems: 100 },
    unique: { type: "boolean" },
    name: { type: "string", minLength: 1 },
  },
  required: ["paths"],
  additionalProperties: false,
} as const;

const filter = {
  type: "object",
  description: "Which documents, as data: {age: {gt: 30}}; without it, all",
} as const;
const orderBy = {
  type: "object",
  additionalProperties: { enum: ["asc", "desc"] },
  description: "Directions by path, in their order",
} as const;

export const FIND_BODY: object = {
  type: "object",
  properties: {
    filter,
    select: { type: "array", items: { type: "string" }, minItems: 1, description: "Paths; without it, all" },
    orderBy,
    limit: { type: "integer", minimum: 0, description: "Rows at most; 100 for a page" },
    offset: { type: "integer", minimum: 0 },
    after: { type: "string", description: "The next of a page, for what comes after it" },
  },
  additionalProperties: false,
};

export const COUNT_BODY: object = { type: "object", properties: { filter }, additionalProperties: false };

export const CHANGES_BODY: object = {
  type: "object",
  properties: {
    set: { type: "object", description: "New values, by path" },
    unset: { type: "array", items: { type: "string" }, description: "Paths to remove" },
    inc: { type: "object", description: "What is added to numbers, by path" },
    push: { type: "object", description: "What is appended to arrays, by path" },
    pull: { type: "object", description: "What is removed from arrays, by path" },
  },
  additionalProperties: false,
};

export const FIND_ONE_AND_UPDATE_BODY: object = {
  type: "object",
  properties: { filter, changes: CHANGES_BODY, orderBy },
  required: ["changes"],
  additionalProperties: false,
};
