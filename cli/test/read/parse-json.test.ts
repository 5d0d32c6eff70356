import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseJson } from "../../src/read/parse-json.ts";

describe("parseJson", () => {
  it("reads whatever JSON.stringify writes of values that a double holds", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        expect(parseJson(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it("refuses every integer literal that would change, and no other", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }), (integer) => {
        const text = `{"list":[1,{"n":${integer}}],"text":"${integer}"}`;
        if (String(integer) === String(Number(integer))) {
          expect(parseJson(text)).toEqual({ list: [1, { n: Number(integer) }], text: String(integer) });
        } else {
          expect(() => parseJson(text)).toThrow(`The integer ${integer} could be rounded`);
        }
      }),
    );
  });

  it.each([2 ** 53, -1e20, 123456789012345680000])("reads %d as JSON.stringify writes it", (double) => {
    expect(parseJson(JSON.stringify([double]))).toEqual([double]);
  });

  it.each(["9007199254740993", "123456789012345683968", "100000000000000000001"])("refuses %s", (integer) => {
    expect(() => parseJson(integer)).toThrow(`The integer ${integer} could be rounded`);
  });

  it("lets fractions be the doubles that they are nearest to", () => {
    expect(parseJson("[0.12345678901234567890, 1e300, 1234567890123456768.5]")).toEqual([
      0.12345678901234568, 1e300, 1234567890123456800,
    ]);
  });

  it.each(["", "{", "{'a':1}", "[1,]", "nope", "12345678901234567890}"])(
    "says of %j that it is no JSON",
    (text) => {
      expect(() => parseJson(text)).toThrow(expect.objectContaining({ code: "FORMDB_INVALID_DOCUMENT" }));
    },
  );
});

it("broken JSON on one line is told without a second line number, and nothing as nothing", () => {
  expect(() => parseJson("{bad")).toThrow(/^This is no JSON: [^()]* in JSON at position 1$/);
  expect(() => parseJson(" ")).toThrow("This is no JSON: it is empty");
});
