import { expect, it } from "vitest";
import { checkCollectionName } from "../../src/base/collection-name.ts";

it.each(["", "a b", "formdb_x", "9", "x".repeat(49)])("the error of the name %j has it as it is", (name) => {
  expect(() => checkCollectionName(name)).toThrow(
    expect.objectContaining({ code: "FORMDB_CONFIG", collection: name }),
  );
});
