import type { ErrorObject } from "ajv";
import { show } from "../message.ts";
import { HttpError } from "./status.ts";

/** Names of properties that a sentence lists. */
const MAX_NAMES = 20;

const TYPES: Readonly<Record<string, string>> = {
  array: "an array",
  boolean: "true or false",
  integer: "an integer",
  number: "a number",
  object: "an object",
  string: "a string",
};

/** The parts of a request, as Fastify names them: as a whole, and before the name of something in them. */
const PARTS: Readonly<Record<string, readonly [whole: string, inside: string]>> = {
  body: ["The body", "The body's "],
  params: ["The path", "The path's "],
  querystring: ["The URL's query", "The URL's parameter "],
};

/** What is wrong with a part of a request, in one sentence. `errors` are Ajv's, of its option `verbose`. */
export function wrongInput(errors: readonly ErrorObject[], part: string): HttpError {
  // Where one of several schemas must match, Ajv tells what each of them found, and that at last.
  const error = errors.at(-1)!;
  return new HttpError(
    "HTTP_BAD_REQUEST",
    `${placeOf(error.instancePath, part)} must ${requirementOf(error)}`,
  );
}

function placeOf(instancePath: string, part: string): string {
  const [whole, inside] = PARTS[part]!;
  if (instancePath === "") return whole;
  const names = instancePath.slice(1).split("/").map(unescaped);
  const path = names
    .map((name, i) => (/^\d+$/.test(name) ? `[${name}]` : i === 0 ? name : `.${name}`))
    .join("");
  return (path.startsWith("[") ? whole : inside) + (path.length > 100 ? `${path.slice(0, 97)}...` : path);
}

/** A name of a JSON pointer. */
function unescaped(name: string): string {
  return name.replaceAll("~1", "/").replaceAll("~0", "~");
}

function requirementOf({ keyword, instancePath, schema, parentSchema, data, params }: ErrorObject): string {
  switch (keyword) {
    case "type":
      return `be ${typesIn([{ type: schema as Typed["type"] }])}${insteadOf(data, instancePath)}`;
    case "anyOf":
      return `be ${typesIn(schema as Typed[])}${insteadOf(data, instancePath)}`;
    case "enum":
      return `be ${listed((schema as unknown[]).map(show), "or")}${insteadOf(data)}`;
    case "pattern":
      return `be ${(parentSchema as { title: string }).title}${insteadOf(data)}`;
    case "required":
      return `have ${show(params.missingProperty)}; it has ${propertiesOf(data)}`;
    case "additionalProperties":
      return `not have ${show(params.additionalProperty)}; it may have ${propertiesOf(parentSchema!.properties)}`;
    case "minLength":
    case "minItems":
      return "not be empty";
    case "maxLength":
      return `be at most ${schema} characters long, not ${(data as string).length}`;
    case "maxItems":
      return `have at most ${schema} elements, not ${(data as unknown[]).length}`;
    case "minimum":
      return `be at least ${schema}${insteadOf(data)}`;
    default:
      throw new Error(`the schemas have a keyword without a sentence: ${keyword}`);
  }
}

interface Typed {
  readonly type: string | readonly string[];
}

function typesIn(schemas: readonly Typed[]): string {
  const types = schemas.flatMap(({ type }) => type);
  return listed(
    types.map((type) => TYPES[type]!),
    "or",
  );
}

function propertiesOf(value: unknown): string {
  const names = Object.keys(value as object);
  if (names.length === 0) return "nothing";
  const shown = names.slice(0, MAX_NAMES).map(show);
  return listed(names.length > MAX_NAMES ? [...shown, "others"] : shown, "and");
}

function listed(words: readonly string[], last: "and" | "or"): string {
  if (words.length === 1) return words[0]!;
  return `${words.slice(0, -1).join(", ")} ${last} ${words.at(-1)}`;
}

function insteadOf(value: unknown, instancePath = "/"): string {
  // Fastify has null for a body that is not there.
  if (value === null && instancePath === "") return ", not null or absent";
  if (Array.isArray(value)) return ", not an array";
  return typeof value === "object" && value !== null ? ", not an object" : `, not ${show(value)}`;
}
