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
