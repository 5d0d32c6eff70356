import fc from "fast-check";
import { expect, test } from "vitest";
import { hashText, shardOf } from "../../../src/dialect/postgres/hash-text.ts";
import { postgresVersions, startPostgres } from "../../support/postgres-server.ts";

test.each(postgresVersions())("a text's hash is the one of PostgreSQL (%s)", async (version) => {
  await using server = await startPostgres({ version });
  const texts = fc
    .sample(fc.string({ unit: "grapheme", maxLength: 60 }), 800)
    .filter((text) => !text.includes("\0"));
  texts.push("", "a", "12345678901", "123456789012", "1234567890123", "彗星");
  const rows = await server.query("SELECT t, hashtext(t) AS hash FROM unnest($1::text[]) AS t", [texts]);
  expect(rows.map(({ t }) => hashText(t as string))).toEqual(rows.map(({ hash }) => hash));
});

test("every shard gets about as many ids as any other", () => {
  const counts = new Array<number>(32).fill(0);
  for (let i = 0; i < 32_000; i++) counts[shardOf(`user-${i}`, 32)]!++;
  expect(Math.min(...counts)).toBeGreaterThan(850);
  expect(Math.max(...counts)).toBeLessThan(1_150);
  for (const shards of [1, 3, 7]) {
    for (let i = 0; i < 1_000; i++) expect(shardOf(`user-${i}`, shards)).toBeLessThan(shards);
  }
});
