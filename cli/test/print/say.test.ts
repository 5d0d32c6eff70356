import { expect, it } from "vitest";
import { say, wrapped } from "../../src/print/say.ts";

it("lines for people break between words, keep their indent, and never break a word", () => {
  expect(wrapped("short", 10)).toBe("short");
  expect(wrapped("one two three four", 9)).toBe("one two\nthree\nfour");
  expect(wrapped("  --type zip=string keeps it", 20)).toBe("  --type zip=string\n  keeps it");
  expect(wrapped("a /very/long/path/that/stays b", 10)).toBe("a\n/very/long/path/that/stays\nb");
});

it("a terminal that does not know its width has 80 columns", () => {
  let text = "";
  const stream = { isTTY: true, columns: 0, write: (part: string) => (text += part) };
  say(stream as unknown as NodeJS.WriteStream, "one two three");
  expect(text).toBe("one two three\n");
});
