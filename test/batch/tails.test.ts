import { describe, expect, it } from "vitest";
import { Operation } from "../../src/batch/operation.ts";
import { Tails } from "../../src/batch/tails.ts";
import { Random } from "../support/random.ts";

function operation(collection: string, id: string): Operation {
  return new Operation("insert", collection, id, { json: "{}", document: {} });
}

describe("the last operations of the ids", () => {
  it("are those of a map, whatever is put and taken out", () => {
    const random = new Random(1);
    const tails = new Tails();
    const expected = new Map<string, Operation>();
    const all: Operation[] = [];
    for (let step = 0; step < 20_000; step++) {
      // More than the table has lists at first, so that it grows, with few enough ids to meet again.
      const made = operation(`c${random.below(2)}`, `id ${random.below(5_000)}`);
      const key = `${made.collection} ${made.id}`;
      if (all.length > 0 && random.below(3) === 0) {
        const old = all[random.below(all.length)]!;
        const oldKey = `${old.collection} ${old.id}`;
        if (expected.get(oldKey) === old) expected.delete(oldKey);
        tails.delete(old);
      } else {
        expect(tails.put(made)).toBe(expected.get(key));
        expected.set(key, made);
        all.push(made);
      }
    }
    for (const [key, last] of expected) {
      const [collection, ...id] = key.split(" ");
      expect(tails.put(operation(collection!, id.join(" ")))).toBe(last);
    }
  });

  it("hold an operation of the same id in another collection apart", () => {
    const tails = new Tails();
    const a = operation("a", "1");
    const b = operation("b", "1");
    expect([tails.put(a), tails.put(b)]).toEqual([undefined, undefined]);
    tails.delete(a);
    expect(tails.put(operation("a", "1"))).toBeUndefined();
    expect(tails.put(operation("b", "1"))).toBe(b);
  });
});
