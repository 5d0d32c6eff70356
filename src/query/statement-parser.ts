import { indexPathText, pathText } from "../base/subject.ts";
import { ComputationParser } from "./computation-parser.ts";
import { MAX_ASSIGNMENTS, MAX_INDEX_NAME_LENGTH, MAX_INDEX_PATHS, MAX_INSERT_DOCUMENTS } from "./limits.ts";
import { pathKey } from "./path-text.ts";
import { parseSelect, parseWhere } from "./select-parser.ts";
import { parseIndexPath } from "./subject-parser.ts";
import type {
  Assignment,
  CreateIndex,
  Delete,
  DropIndex,
  IndexPath,
  Insert,
  Introspect,
  Statement,
  Update,
} from "./syntax-tree.ts";
import type { TokenReader } from "./token-reader.ts";

const INDEX_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Reads a whole text: one statement, and then its end. */
export function parseStatement(reader: TokenReader): Statement {
  const statement: Statement = reader.keyword("EXPLAIN")
    ? Object.freeze({ type: "explain", statement: parseOne(reader) })
    : parseOne(reader);
  reader.expectEnd();
  return statement;
}

function parseOne(reader: TokenReader): Statement {
  if (reader.keyword("SELECT")) return parseSelect(reader);
  if (reader.keyword("INSERT")) return parseInsert(reader);
  if (reader.keyword("UPDATE")) return parseUpdate(reader);
  if (reader.keyword("DELETE")) return parseDelete(reader);
  if (reader.keyword("CREATE")) return parseCreate(reader);
  if (reader.keyword("DROP")) return parseDrop(reader);
  if (reader.keyword("INTROSPECT")) return parseIntrospect(reader);
  return reader.fail();
}

function parseInsert(reader: TokenReader): Insert {
  reader.expectKeyword("INTO");
  const collection = reader.collection();
  const documents = reader.list(
    "the number of documents",
    { MAX_INSERT_DOCUMENTS },
    () => reader.operand() ?? reader.fail("a JSON object", "a parameter"),
  );
  return Object.freeze({ type: "insert", collection, documents });
}

function parseUpdate(reader: TokenReader): Update {
  const collection = reader.collection();
  reader.expectKeyword("SET");
  const assignments = parseAssignments(reader);
  return Object.freeze({ type: "update", collection, assignments, where: parseWhere(reader) });
}

function parseAssignments(reader: TokenReader): readonly Assignment[] {
  // Two assignments to one place, or to a place and a part of it, would make the result depend on their order.
  const assigned = new Set<string>();
  const containers = new Set<string>();
  const computations = new ComputationParser(reader);
  return reader.list("the number of assignments", { MAX_ASSIGNMENTS }, () => {
    const { at } = reader;
    const path = reader.path();
    const outer = path.map((_, length) => pathKey(path.slice(0, length + 1)));
    if (containers.has(pathKey(path)) || outer.some((key) => assigned.has(key))) {
      const found = JSON.stringify(pathText(path));
      throw reader.refuse(
        at,
        found,
        `an UPDATE must set a place once, and not a part of it too, found ${found} again`,
        "another path",
      );
    }
    assigned.add(pathKey(path));
    for (const key of outer) containers.add(key);
    reader.expectSymbol("=");
    return Object.freeze({ path, value: computations.computation() });
  });
}

function parseDelete(reader: TokenReader): Delete {
  reader.expectKeyword("FROM");
  const collection = reader.collection();
  return Object.freeze({ type: "delete", collection, where: parseWhere(reader) });
}

function parseCreate(reader: TokenReader): Statement {
  if (reader.keyword("COLLECTION")) {
    return Object.freeze({ type: "createCollection", collection: reader.collection() });
  }
  const unique = reader.keyword("UNIQUE");
  reader.expectKeyword("INDEX");
  return parseCreateIndex(reader, unique);
}

function parseCreateIndex(reader: TokenReader, unique: boolean): CreateIndex {
  const unnamed = reader.keyword("ON");
  const name = unnamed ? undefined : indexName(reader);
  if (!unnamed) reader.expectKeyword("ON");
  const collection = reader.collection();
  reader.expectSymbol("(");
  const seen = new Set<string>();
  const paths = reader.list("the number of paths", { MAX_INDEX_PATHS }, () => newPath(reader, seen));
  reader.expectSymbol(")");
  return Object.freeze({ type: "createIndex", collection, name, paths, unique });
}

function newPath(reader: TokenReader, seen: Set<string>): IndexPath {
  const { at } = reader;
  const path = parseIndexPath(reader);
  const key = JSON.stringify(path);
  if (seen.has(key)) {
    const found = JSON.stringify(indexPathText(path));
    throw reader.refuse(at, found, `an index must have a path once, found ${found} again`, "another path");
  }
  seen.add(key);
  return path;
}

function parseDrop(reader: TokenReader): Statement {
  if (reader.keyword("COLLECTION")) {
    return Object.freeze({ type: "dropCollection", collection: reader.collection() });
  }
  reader.expectKeyword("INDEX");
  const name = indexName(reader);
  reader.expectKeyword("ON");
  const dropped: DropIndex = { type: "dropIndex", collection: reader.collection(), name };
  return Object.freeze(dropped);
}

function parseIntrospect(reader: TokenReader): Introspect {
  if (reader.keyword("COLLECTIONS")) return Object.freeze({ type: "introspect", collection: undefined });
  reader.expectKeyword("INDEXES");
  return Object.freeze({ type: "introspect", collection: reader.collection() });
}

function indexName(reader: TokenReader): string {
  const { at } = reader;
  const { found } = reader.tokens;
  const name = reader.name("an index's name");
  if (name.length > MAX_INDEX_NAME_LENGTH) {
    reader.exceeds(at, "the length of an index's name", { MAX_INDEX_NAME_LENGTH });
  }
  if (INDEX_NAME.test(name)) return name;
  throw reader.refuse(
    at,
    found,
    `an index's name must be at most ${MAX_INDEX_NAME_LENGTH} letters, digits and underscores and not start ` +
      `with a digit, found ${found}`,
    "an index's name",
  );
}
