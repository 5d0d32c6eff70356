import { expect, it } from "vitest";
import { nearestName } from "../../src/base/nearest.ts";

it.each([
  ["peolpe", "people"],
  ["Y", "y"],
  ["bx", "by"],
  ["x", undefined],
  ["", undefined],
  ["orders", undefined],
])("of people, y and by, %j most likely means %j", (name, meant) => {
  expect(nearestName(name, ["people", "y", "by"])).toBe(meant);
});
