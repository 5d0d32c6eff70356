import { describe, expect, it } from "vitest";
import { endsTransaction, isSavepoint, sqlShape } from "../../src/dialect/sql-shape.ts";

describe("the shape of an engine's own SQL", () => {
  it.each([
    ["SELECT * FROM t WHERE a = 'secret' AND b = 42", "SELECT * FROM t WHERE a = ? AND b = ?"],
    ["select 'it''s', e'a\\'b', 1.5e3", "select ?, ?, ?"],
    ["SELECT $1, $2 FROM t1", "SELECT $1, $2 FROM t1"],
    ["SELECT ?1, ? FROM t", "SELECT ?1, ? FROM t"],
    ["DO $f$ BEGIN secret $f$", "DO ?"],
    ['SELECT $$x$$ -- secret\n/* more */, "col 1" ;', 'SELECT ? , "col 1"'],
    ["  SELECT\n\t1", "SELECT ?"],
    ["SELECT 'never ended", "SELECT ?"],
  ])("of %j is %j", (text, shape) => {
    expect(sqlShape(text)).toBe(shape);
  });

  it("tells what ends a transaction from what stays within it", () => {
    const ends = (text: string): boolean => endsTransaction(sqlShape(text));
    for (const text of ["begin immediate", "/* a */ COMMIT;", "End", "ROLLBACK", "PREPARE TRANSACTION 'x'"]) {
      expect(ends(text), text).toBe(true);
    }
    for (const text of [
      "SELECT 1",
      "SAVEPOINT a",
      "ROLLBACK TO a",
      "rollback work to savepoint a",
      "ENDING",
    ]) {
      expect(ends(text), text).toBe(false);
    }
    expect(["SAVEPOINT a", "RELEASE a", "ROLLBACK TO a", "ROLLBACK"].map(isSavepoint)).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });
});
