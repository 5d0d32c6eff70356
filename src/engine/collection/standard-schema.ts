import { FormDBError } from "../../base/errors.ts";
import { checkOptions } from "../../base/options.ts";

/** A schema by the Standard Schema specification (standardschema.dev), as zod, valibot and arktype make them. */
export interface StandardSchema<Output = unknown> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    /** Checks a value: gives it as the schema has it, or what is wrong. */
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
  };
}

/** The documents that a schema gives. */
export type OutputOf<S> = S extends StandardSchema<infer Output extends object> ? Output : never;

/** The documents that it takes, if it says so: a field with a default may be missing. */
export type InputOf<S extends StandardSchema> = S["~standard"] extends {
  readonly types?: { readonly input: infer Input } | undefined;
}
  ? Input extends object
    ? Input
    : OutputOf<S>
  : OutputOf<S>;

type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** Refuses unknown options of a handle, and a schema that is no Standard Schema. */
export function checkCollectionOptions(options: object): void {
  checkOptions("collection()", options, { schema });
}

function schema(value: unknown): string | undefined {
  const standard = (value as Partial<StandardSchema> | null)?.["~standard"];
  return typeof standard?.validate === "function"
    ? undefined
    : "a Standard Schema, as zod and valibot make them";
}

/**
 * The document as its schema gives it, which may have filled in or changed values. Its id stays if the schema has none.
 * Throws `FORMDB_INVALID_DOCUMENT` with the path of the first value that is refused, and all as `issues`.
 */
export async function checkDocument(schema: StandardSchema, document: unknown, at = ""): Promise<unknown> {
  const result = await schema["~standard"].validate(document);
  if (result.issues !== undefined) throw refusal(result.issues, at);
  const { value } = result;
  const id = (document as { readonly id?: unknown } | null | undefined)?.id;
  if (id === undefined || typeof value !== "object" || value === null || "id" in value) return value;
  return { id, ...value };
}

function refusal(issues: readonly SchemaIssue[], at: string): FormDBError {
  const found = issues.map(({ message, path = [] }) => ({ path: at + pathOf(path), message }));
  const [first] = found;
  const more = found.length > 1 ? ` (and ${found.length - 1} more)` : "";
  const place = first?.path === "" ? "the document" : first?.path;
  return new FormDBError(
    "FORMDB_INVALID_DOCUMENT",
    `The schema refuses ${place}: ${first?.message ?? "it says no reason"}${more}`,
    { details: { path: first?.path ?? at, issues: found } },
  );
}

function pathOf(path: NonNullable<SchemaIssue["path"]>): string {
  let text = "";
  for (const segment of path) {
    const key = typeof segment === "object" ? segment.key : segment;
    text += typeof key === "number" ? `[${key}]` : `${text === "" ? "" : "."}${String(key)}`;
  }
  return text;
}
