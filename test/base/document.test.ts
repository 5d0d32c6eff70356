import { describe, expect, test } from "vitest";
import { encodeDocument, MAX_DOCUMENT_DEPTH } from "../../src/base/document.ts";

/** A document of as many levels as it says, in the shortest text that has so many. */
function nested(levels: number): Record<string, unknown> {
  let value: unknown[] = [];
  for (let level = 2; level < levels; level++) value = [value];
  return { "": value };
}

describe("a document's depth", () => {
  test("may be the most, and is not more than it", () => {
    const deepest = nested(MAX_DOCUMENT_DEPTH);
    expect(encodeDocument(deepest)).toBe(JSON.stringify(deepest));
    expect(() => encodeDocument(nested(MAX_DOCUMENT_DEPTH + 1))).toThrow(
      "must not nest deeper than 500 levels",
    );
  });
});

describe("a value of which JSON keeps nothing", () => {
  test.each([
    [new Map([[1, 2]]), "not a Map, of which JSON would keep nothing"],
    [new ArrayBuffer(2), "not an ArrayBuffer, of which JSON would keep nothing"],
    [new SharedArrayBuffer(2), "not a SharedArrayBuffer, of which JSON would keep nothing"],
    [new DataView(new ArrayBuffer(2)), "not a DataView, of which JSON would keep nothing"],
    [new URLSearchParams("a=1"), "not a URLSearchParams, of which JSON would keep nothing"],
    [Promise.resolve(1), "not a Promise: await it first"],
    [new TypeError("x"), "not a TypeError, of which JSON would keep nothing"],
    [new Date("x"), "not an invalid Date, of which JSON would make null"],
  ])("is refused: %o", (value, message) => {
    expect(() => encodeDocument({ at: { value } })).toThrow(
      `The value at at.value must be a JSON value, ${message}`,
    );
  });

  test("is told with its path as queries write it", () => {
    const document = { lines: [{}, { "0": [Promise.resolve(1)] }] };
    expect(() => encodeDocument(document)).toThrow(
      expect.objectContaining({
        path: "lines[1].0[0]",
        message: "The value at lines[1].0[0] must be a JSON value, not a Promise: await it first",
      }),
    );
  });

  test("is told as such where it is the document itself", () => {
    const message = "A document must be a JSON value, not a Promise: await it first";
    expect(() => encodeDocument(Promise.resolve({}))).toThrow(message);
  });

  test("is none that says by toJSON what it keeps", () => {
    const error = Object.assign(new Error("x"), { toJSON: () => "x" });
    expect(encodeDocument({ error, at: new Date(0) })).toBe('{"error":"x","at":"1970-01-01T00:00:00.000Z"}');
  });

  test("is none that has fields of its own, whatever is beside it", () => {
    const error = Object.assign(new Error("x"), { status: 404 });
    expect(encodeDocument({ error })).toBe('{"error":{"status":404}}');
    expect(encodeDocument({ error, at: null })).toBe('{"error":{"status":404},"at":null}');
  });
});

describe("a value in an object of its type", () => {
  test.each([
    [new Number(Number.NaN), "a finite number, not NaN"],
    [Object(5n), "a JSON value, not the BigInt 5; give it as a string"],
    [new String("a\0"), "text without U+0000, which PostgreSQL can't hold"],
  ])("is refused as the value itself: %o", (value, message) => {
    expect(() => encodeDocument({ at: { value } })).toThrow(`The value at at.value must be ${message}`);
  });

  test("is kept as the value itself", () => {
    const document = { a: new Number(1), b: new String("x"), c: new Boolean(false), d: null };
    expect(encodeDocument(document)).toBe('{"a":1,"b":"x","c":false,"d":null}');
  });
});

test("what toJSON gives is written as it is, be it the object itself", () => {
  const own = {
    a: 1,
    toJSON() {
      return this;
    },
  };
  expect(encodeDocument({ own, at: null })).toBe('{"own":{"a":1},"at":null}');
});

test("a document that is longer than a string of Node may be is refused with that length", () => {
  const text = "x".repeat(2 ** 24);
  const tooLong = { texts: Array.from({ length: 2 ** 5 }, () => text) };
  expect(() => encodeDocument(tooLong)).toThrow("it must have at most 536870888 characters");
});

test.each([Buffer.from("{}"), new Uint8Array(2), new DataView(new ArrayBuffer(1))])(
  "bytes are no document: %o",
  (bytes) => {
    expect(() => encodeDocument(bytes)).toThrow(
      `must be a JSON object, not the bytes of a ${bytes.constructor.name}: decode and parse them first`,
    );
  },
);
