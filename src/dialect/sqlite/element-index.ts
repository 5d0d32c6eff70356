import { type Path, splitPath, type WidePath } from "../../base/subject.ts";
import type { IndexDefinition } from "../ddl-dialect.ts";
import { type Fragment, sql } from "../fragment.ts";
import { hash52 } from "../hash52.ts";
import { quote } from "../quote.ts";
import { indexName, literal } from "./names.ts";
import { elementTerm, type SqliteTerm, termIn } from "./terms.ts";

/*
 * SQLite has no index that holds several values of a row. So an index over the elements of arrays is kept by triggers, in a
 * table that all such indexes share: a row for each scalar, and each document that has it. A statement that looks there
 * asks too whether the index is still there; if not, it looks at all documents. So none goes wrong when another process has
 * dropped it, and what other programs write is indexed too.
 */

export const CREATE_ELEMENTS: string =
  "CREATE TABLE IF NOT EXISTS formdb_elements (index_key INTEGER NOT NULL, value NOT NULL, id TEXT NOT NULL, " +
  "PRIMARY KEY (index_key, value, id)) WITHOUT ROWID";

/** What stands for a text in place of the array, in which `CONTAINS` looks: documents hold no BLOBs. */
const TEXT_INSTEAD = "x''";

/**
 * What is in an array twice is put there once. `OR IGNORE` says the same but in a trigger of an upsert, whose own way with
 * conflicts is in force there.
 */
const ONCE = "ON CONFLICT DO NOTHING";

const EVENTS = ["insert", "update", "delete"] as const;

function keyOf(collection: string, name: string): number {
  return hash52(`${collection}\0${name}`);
}

/** That of inserts has the name of the index. */
function triggerName(event: (typeof EVENTS)[number], collection: string, name: string): string {
  const own = indexName(collection, name);
  return quote(event === "insert" ? own : own.replace("formdb_index_", `formdb_${event}_`));
}

/** The array that is walked through first, of a document of `row`. */
function firstArray(row: string, path: WidePath): SqliteTerm {
  return termIn(`${row}.doc`, path.slice(0, path.indexOf(null)) as Path);
}

/** A SELECT of what a document holds for an index: of `new`, of `old`, or of each in a table, then with its id. */
function valuesOf(path: WidePath, row: string, table?: string): string {
  const from = table === undefined ? [] : [`${table} AS ${row}`];
  const conditions: string[] = [];
  let at = (_: Path): SqliteTerm => firstArray(row, path);
  const { arrays, rest } = splitPath(path);
  for (const [i, array] of arrays.entries()) {
    const element = `e${i + 1}`;
    // Programs with an older SQLite, which has no `jsonb_each`, may write too.
    from.push(`json_each(${at(array).walk}) AS ${element}`);
    conditions.push(`typeof(${element}.key) = 'integer'`);
    at = (inner) => elementTerm(element, inner);
  }
  const { value, type } = at(rest);
  const columns = (found: string): string => (table === undefined ? found : `${found}, ${row}.id`);
  const elements =
    `SELECT ${columns(value)} FROM ${from.join(", ")} WHERE ${conditions.join(" AND ")} ` +
    `AND ${type} IN ('integer', 'real', 'text', 'true', 'false')`;
  if (!isOfArray(path)) return elements;
  const documents = table === undefined ? "" : ` FROM ${table} AS ${row}`;
  return `${elements} UNION ALL SELECT ${columns(TEXT_INSTEAD)}${documents} WHERE ${firstArray(row, path).type} = 'text'`;
}

/** Whether an index is over the elements of one array themselves, so that it serves `CONTAINS` too. */
function isOfArray(path: WidePath): boolean {
  return path.indexOf(null) === path.length - 1;
}

export function createElementIndex({ collection, name, paths }: IndexDefinition): string[] {
  const [path] = paths as readonly [WidePath];
  const table = quote(collection);
  const key = keyOf(collection, name);
  const put = `INSERT INTO formdb_elements SELECT ${key}, *, new.id FROM (${valuesOf(path, "new")}) WHERE TRUE ${ONCE}; `;
  // The rows are found by all three columns of the key, whatever the inner SELECT is joined of.
  const take =
    `DELETE FROM formdb_elements WHERE index_key = ${key} AND id = old.id ` +
    `AND value IN (${valuesOf(path, "old")}); `;
  const array = (row: string): string => firstArray(row, path).json;
  const trigger = (event: (typeof EVENTS)[number], when: string, body: string): string =>
    `CREATE TRIGGER ${triggerName(event, collection, name)} AFTER ${when} BEGIN ${body}END`;
  const changed = `old.id IS NOT new.id OR ${array("old")} IS NOT ${array("new")}`;
  return [
    ...dropElementIndex(collection, name),
    trigger("insert", `INSERT ON ${table}`, put),
    trigger("update", `UPDATE OF id, doc ON ${table} WHEN ${changed}`, take + put),
    trigger("delete", `DELETE ON ${table}`, take),
    `INSERT OR IGNORE INTO formdb_elements SELECT ${key}, * FROM (${valuesOf(path, "d", table)}) ORDER BY 2, 3`,
  ];
}

/** Whether a trigger is as `createElementIndex` makes it. */
export function isCurrentTrigger(definition: string): boolean {
  return definition.includes(ONCE);
}

export function dropElementIndex(collection: string, name: string): string[] {
  const triggers = EVENTS.map((event) => `DROP TRIGGER IF EXISTS ${triggerName(event, collection, name)}`);
  return [...triggers, forgetElements(collection, name)];
}

export function forgetElements(collection: string, name: string): string {
  return `DELETE FROM formdb_elements WHERE index_key = ${keyOf(collection, name)}`;
}

/** Where a document may have a value, given as `= …` or `IN (…)`: the exact condition must follow. */
export function mayHave({ collection, name, paths }: IndexDefinition, value: Fragment): Fragment {
  // The table goes by the index's name, for the engine's plan to say which it is.
  const found = sql`SELECT id FROM formdb_elements AS ${quote(indexName(collection, name))} WHERE index_key = ${String(keyOf(collection, name))} AND value ${value}`;
  const isThere =
    `SELECT 1 FROM formdb_indexes WHERE collection = ${literal(collection)} AND name = ${literal(name)} ` +
    `AND paths = ${literal(JSON.stringify(paths))}`;
  return sql`id IN (${found} UNION ALL SELECT id FROM ${quote(collection)} WHERE NOT EXISTS (${isThere}))`;
}

/** The values that say that a document may have an operand in the array, or in a text that is there instead. */
export function inArrayOrText(value: Fragment): Fragment {
  return sql`IN (${value}, ${TEXT_INSTEAD})`;
}
