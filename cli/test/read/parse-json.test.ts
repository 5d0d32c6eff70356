import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseJson } from "../../src/read/parse-json.ts";

describe("parseJson", () => {
  it("reads whatever JSON.stringify writes of values that a double holds", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        // Doubles such as 1e20 are written as integers, which have a test of their own.
        const text = JSON.stringify(value, (_name, part: unknown) =>
          Number.isInteger(part) && !Number.isSafeInteger(part) ? 0.5 : part,
        );
        expect(parseJson(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it("refuses every integer literal that would change, and no other", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }), (integer) => {
        const text = `{"list":[1,{"n":${integer}}],"text":"${integer}"}`;
        if (integer > -(2n ** 53n) && integer < 2n ** 53n) {
          expect(parseJson(text)).toEqual({ list: [1, { n: Number(integer) }], text: String(integer) });
        } else {
          expect(() => parseJson(text)).toThrow(`The integer ${integer} could be rounded`);
        }
      }),
    );
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
