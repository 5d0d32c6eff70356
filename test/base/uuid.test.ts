import { expect, it } from "vitest";
import { uuidV4, uuidV7 } from "../../src/base/uuid.ts";

it("a UUID of version 7 carries its time, and sorts after those made before, also when the clock is set back", () => {
  let now = Date.UTC(2030, 0, 1);
  const made: string[] = [];
  for (let i = 0; i < 20_000; i++) {
    if (i === 10_000) now -= 5_000;
    else if (i % 100 === 0) now++;
    made.push(uuidV7(() => now));
  }
  expect(made.toSorted()).toEqual(made);
  expect(new Set(made).size).toBe(made.length);
  for (const id of made)
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(Number.parseInt(made[0]!.replaceAll("-", "").slice(0, 12), 16)).toBe(Date.UTC(2030, 0, 1) + 1);
});

it("a UUID of version 4 is random but for its version and variant", () => {
  const made = Array.from({ length: 5_000 }, () => uuidV4());
  expect(new Set(made).size).toBe(made.length);
  for (const id of made)
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
