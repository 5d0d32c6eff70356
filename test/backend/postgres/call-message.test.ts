import fc from "fast-check";
import { expect, it } from "vitest";
import { callMessage } from "../../../src/backend/postgres/call-message.ts";

/** The messages in some bytes: each with its letter and what is in it. */
function messagesIn(bytes: Buffer): { letter: string; body: Buffer }[] {
  const messages: { letter: string; body: Buffer }[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + bytes.readInt32BE(at + 1);
    messages.push({ letter: String.fromCharCode(bytes[at]!), body: bytes.subarray(at + 5, end) });
    at = end;
  }
  return messages;
}

/** The statement and the values of a Bind message. */
function bindIn(body: Buffer): { portal: string; statement: string; values: (string | null)[] } {
  let at = 0;
  const name = (): string => {
    const end = body.indexOf(0, at);
    const text = body.toString("latin1", at, end);
    at = end + 1;
    return text;
  };
  const int16 = (): number => {
    at += 2;
    return body.readUInt16BE(at - 2);
  };
  const portal = name();
  const statement = name();
  expect(int16()).toBe(0); // formats of values
  const values = Array.from({ length: int16() }, () => {
    const length = body.readInt32BE(at);
    at += 4;
    if (length === -1) return null;
    at += length;
    return body.toString("utf8", at - length, at);
  });
  expect(int16()).toBe(0); // formats of columns
  expect(at).toBe(body.length);
  return { portal, statement, values };
}

it("a call of a prepared statement is Bind, Execute and Sync in one piece", () => {
  const text = fc.option(fc.string({ unit: "grapheme" }));
  fc.assert(
    fc.property(fc.stringMatching(/^f[0-9a-f]{1,32}$/), fc.array(text), (name, values) => {
      const messages = messagesIn(callMessage(name, values)!);
      expect(messages.map(({ letter }) => letter).join("")).toBe("BES");
      expect(bindIn(messages[0]!.body)).toEqual({ portal: "", statement: name, values });
      expect(messages[1]!.body).toEqual(Buffer.from([0, 0, 0, 0, 0]));
      expect(messages[2]!.body).toHaveLength(0);
    }),
  );
});

it("values go as the protocol's text", () => {
  const values = [1.5, true, 10n, undefined, { a: 1 }, ["x", 'y"'], new Date(0)];
  const [bind] = messagesIn(callMessage("f1", values)!);
  expect(bindIn(bind!.body).values).toEqual([
    "1.5",
    "true",
    "10",
    null,
    '{"a":1}',
    '{"x","y\\""}',
    "1970-01-01T00:00:00.000Z",
  ]);
});

it("bytes, and more values than a message takes, are left to the driver", () => {
  expect(callMessage("f1", ["a", Buffer.from("b")])).toBeUndefined();
  expect(callMessage("f1", new Array(65_536).fill("a"))).toBeUndefined();
  expect(callMessage("f1", new Array(65_535).fill("a"))).toBeInstanceOf(Buffer);
});
