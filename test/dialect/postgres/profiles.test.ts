import { expect, it } from "vitest";
import { dialectOf } from "../../../src/dialect/postgres/postgres-dialect.ts";
import { PROFILES } from "../../../src/dialect/postgres/profiles.ts";
import { prepare } from "../../plan/engines.ts";

it("arithmetic in SET is refused where an UPDATE may not nest subqueries, and other changes are not", () => {
  const citus = dialectOf(PROFILES.citus);
  expect(() => prepare("UPDATE c SET n = n + 1 * m", citus)).toThrow(
    /Arithmetic in SET can be one operation/,
  );
  for (const text of ["UPDATE c SET n = 1", "UPDATE c SET a = b"]) {
    expect(prepare(text, citus).plan.kind).toBe("update");
  }
  expect(prepare("UPDATE c SET n = n + 1", dialectOf(PROFILES.postgres)).plan.kind).toBe("update");
});
